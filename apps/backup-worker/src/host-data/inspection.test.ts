import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { judge } from './inspection.js';
import type { ProvisionedRecord } from './provisioned-record.js';
import type { RootIdentity, RootSight } from './roots.js';

const identity = (ino: number, bornNs: string | null = '1'): RootIdentity => ({ dev: '1', ino: String(ino), bornNs });
const record: ProvisionedRecord = {
  version: 1,
  projectId: 'p',
  generation: 1,
  roots: { project: identity(10), persist: identity(20) },
  since: '2026-01-01T00:00:00.000Z',
  by: 'created',
};
const absent: RootSight = { kind: 'absent' };
const link: RootSight = { kind: 'other', what: 'a symbolic link' };
const folder = (of: RootIdentity, empty: boolean): RootSight => ({ kind: 'folder', identity: of, empty });
const ours = { project: folder(identity(10), false), persist: folder(identity(20), false) };
const oursEmptied = { project: folder(identity(10), true), persist: folder(identity(20), true) };
const foreignFilled = folder(identity(99), false);
const foreignEmpty = folder(identity(99), true);
const rebornEmpty = folder(identity(20, '2'), true);
const rebornFilled = folder(identity(20, '2'), false);

describe('what is here of a project', () => {
  it.each([
    ['both recorded roots', record, ours, 'provisioned'],
    ['both recorded roots, which somebody emptied', record, oursEmptied, 'provisioned'],
    [
      'recorded roots on a file system that tells no births',
      record,
      { ...ours, persist: folder(identity(20, null), false) },
      'provisioned',
    ],
    ['nothing, and no record', undefined, { project: absent, persist: absent }, 'missing'],
    ['empty folders without a record', undefined, { project: foreignEmpty, persist: foreignEmpty }, 'empty-unrecorded'],
    ['one empty folder without a record', undefined, { project: absent, persist: foreignEmpty }, 'empty-unrecorded'],
    ['files without a record', undefined, { project: foreignFilled, persist: absent }, 'unrecorded-data'],
    ['a link in the place of a root', record, { ...ours, persist: link }, 'unrecorded-data'],
    ['a link without a record', undefined, { project: absent, persist: link }, 'unrecorded-data'],
    ['files in another folder than the recorded one', record, { ...ours, persist: foreignFilled }, 'unrecorded-data'],
    [
      'files in a later folder with the same inode number',
      record,
      { ...ours, persist: rebornFilled },
      'unrecorded-data',
    ],
    [
      'files in a foreign folder beside a missing root',
      record,
      { project: absent, persist: foreignFilled },
      'unrecorded-data',
    ],
  ] as const)('%s', (_, known, sights, state) => {
    expect(judge(known, sights, 1).state).toBe(state);
  });

  it.each([
    ['both roots are gone', { project: absent, persist: absent }, ['project', 'persist']],
    ['one root is gone', { ...ours, project: absent }, ['project']],
    ['one root was replaced by an empty folder', { ...ours, persist: foreignEmpty }, ['persist']],
    [
      'one root was replaced by an empty folder with the same inode number',
      { ...ours, persist: rebornEmpty },
      ['persist'],
    ],
  ] as const)('names what is missing when the record says provisioned and %s', (_, sights, missing) => {
    expect(judge(record, sights, 1)).toEqual({ state: 'root-missing', record, missing });
  });

  it.each([
    ['both recorded roots', ours, 'other-assignment'],
    ['both recorded roots, which somebody emptied', oursEmptied, 'other-assignment'],
    ['one recorded root', { ...ours, persist: absent }, 'other-assignment'],
    ['nothing any more', { project: absent, persist: absent }, 'missing'],
    ['empty folders that are not the recorded ones', { project: foreignEmpty, persist: absent }, 'empty-unrecorded'],
    ['files in another folder beside a recorded root', { ...ours, persist: foreignFilled }, 'unrecorded-data'],
  ] as const)('of another assignment, with %s', (_, sights, state) => {
    for (const generation of [2, 7]) expect(judge(record, sights, generation).state).toBe(state);
    expect(judge({ ...record, generation: 3 }, sights, 2).state).toBe(state);
  });

  it('never counts as the data of an assignment under which it was not brought here, nor ever as lost ones of it', () => {
    const sight = fc.constantFrom(absent, link, foreignFilled, foreignEmpty, rebornFilled, ...Object.values(ours));
    const sights = fc.record({ project: sight, persist: sight });
    const generation = fc.integer({ min: 1, max: 3 });
    fc.assert(
      fc.property(generation, generation, sights, (recorded, asked, found) => {
        const inspection = judge({ ...record, generation: recorded }, found, asked);
        const isOfIt = inspection.state === 'provisioned' || inspection.state === 'root-missing';
        if (recorded !== asked) expect(isOfIt).toBe(false);
        // Nor is anything ever restored over what no record accounts for.
        const foreign = [found.project, found.persist].some(
          (each) => each === link || each === foreignFilled || each === rebornFilled,
        );
        if (foreign) expect(inspection.state).toBe('unrecorded-data');
      }),
    );
  });

  it('says what stands in the place of each root', () => {
    expect(judge(undefined, { project: link, persist: foreignFilled }, 1)).toMatchObject({
      found: [
        { root: 'project', what: 'a symbolic link' },
        { root: 'persist', what: 'files without a record' },
      ],
    });
  });
});
