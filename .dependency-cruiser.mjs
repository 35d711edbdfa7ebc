/**
 * Who may import whom. `npm run check` looks at it.
 *
 * The API's floors, the lowest first: a folder imports from its own floor and from those below. What is not named here is a
 * feature, on the highest floor.
 */
const FLOORS = [
  ['problems', 'state'],
  ['tables', 'log-recovery'],
  ['keys'],
  ['wiring', 'oidc'],
  ['decisions', 'operator'],
  ['access'],
  ['http', 'fixtures'],
  ['project-decisions'],
];

const API = '^apps/api/src';

const floors = FLOORS.map((folders, floor) => {
  const below = FLOORS.slice(0, floor + 1).flat();
  return {
    name: `api-floor-${floor + 1}`,
    comment: `${folders.join(' and ')} import what stands on their own floor and below`,
    severity: 'error',
    from: { path: `${API}/(${folders.join('|')})/` },
    to: { path: `${API}/(?!(${below.join('|')})/)[^/]+/` },
  };
});

export default {
  forbidden: [
    { name: 'no-circle', comment: 'also by types', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-circle-of-folders', severity: 'error', scope: 'folder', from: {}, to: { circular: true } },
    ...floors,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // What helps tests may look everywhere.
    exclude: { path: '/dist/|/testing/|\\.test\\.ts$' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
  },
};
