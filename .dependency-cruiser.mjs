/**
 * Who may import whom. `npm run check` looks at it; docs/architecture.md says how to draw it.
 *
 * The floors of each part, the lowest first: a folder imports from its own floor and from those below. What is not named here
 * is a feature, on the highest floor.
 */
const FLOORS = {
  'apps/api/src': [
    ['problems', 'state'],
    ['tables', 'log-recovery'],
    ['keys'],
    ['wiring', 'oidc'],
    ['decisions', 'operator'],
    ['access'],
    ['http', 'fixtures'],
    ['project-decisions'],
  ],
  'apps/backup-worker/src': [
    ['file-system', 'queue', 'control-plane'],
    ['processes'],
    ['host-data'],
    ['changes', 'data-root', 'live-files', 'rustic'],
    ['local-projects'],
    ['operations'],
    ['hooks', 'repository'],
    ['verify'],
    ['restore'],
  ],
  'apps/scheduler/src': [['activity', 'leadership']],
  libs: [
    ['contracts', 'settings', 'patience', 'object-storage', 'vault', 'trees'],
    ['service', 'log', 'freshness', 'repository', 'real-parts'],
  ],
  'stack/src': [['processes'], ['nats', 'postgres', 's3']],
};

const floors = Object.entries(FLOORS).flatMap(([root, levels]) =>
  levels.map((folders, floor) => {
    const below = levels.slice(0, floor + 1).flat();
    return {
      name: `${root.split('/')[1] ?? root}-floor-${floor + 1}`,
      comment: `${folders.join(' and ')} import what stands on their own floor and below`,
      severity: 'error',
      from: { path: `^${root}/(${folders.join('|')})/` },
      to: { path: `^${root}/(?!(${below.join('|')})/)[^/]+/` },
    };
  }),
);

/** What the packages of the product may not import, though they could. */
const packages = [
  {
    name: 'libraries-stand-below',
    comment: 'a library knows no app, and nothing of how all are brought, run and measured',
    severity: 'error',
    from: { path: '^libs/' },
    to: { path: '^(apps|stack|bench)/' },
  },
  {
    name: 'apps-stand-apart',
    comment: 'they speak over NATS, and share through libraries',
    severity: 'error',
    from: { path: '^apps/([^/]+)/' },
    to: { path: '^(apps/(?!$1/)|stack/|bench/)' },
  },
  {
    name: 'no-help-for-tests-in-the-product',
    severity: 'error',
    from: { path: '^(apps|libs/(?!real-parts|trees))' },
    to: { path: '^libs/(real-parts|trees)/' },
  },
];

export default {
  forbidden: [
    { name: 'no-circle', comment: 'also by types', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-circle-of-folders', severity: 'error', scope: 'folder', from: {}, to: { circular: true } },
    ...floors,
    ...packages,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // What helps tests may look everywhere.
    exclude: { path: '/dist/|/testing/|\\.test\\.ts$' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    // A package of ours is its sources, as for the compiler.
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'] },
  },
};
