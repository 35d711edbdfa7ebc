import { describe, expect, it } from '@jest/globals';
import type { Inspection } from '../host-data/index.js';
import { troubleOf, type ProjectSight } from './project-trouble.js';

const sight = (state: Inspection['state'], mountedOver = false) =>
  ({ inspection: { state }, mountedOver }) as unknown as ProjectSight;

describe('a project', () => {
  it.each<[string, ProjectSight, boolean, ReturnType<typeof troubleOf>]>([
    ['whose data are here', sight('provisioned'), true, undefined],
    ['that nobody has brought here yet', sight('missing'), false, undefined],
    ['for which somebody has made empty folders', sight('empty-unrecorded'), false, undefined],
    ['whose data were here, with no trace of them', sight('missing'), true, 'data-missing'],
    ['whose data were here, with empty folders in their place', sight('empty-unrecorded'), true, 'data-missing'],
    ['of which a root is gone', sight('root-missing'), true, 'data-missing'],
    ['with files that nobody has recorded', sight('unrecorded-data'), true, 'unrecorded-data'],
    ['with such files before its first data', sight('unrecorded-data'), false, 'unrecorded-data'],
    ['with files, under a mount', sight('unrecorded-data', true), true, 'hidden'],
    ['with an empty file system mounted over a root', sight('root-missing', true), true, 'hidden'],
    ['with the data of another assignment', sight('other-assignment'), true, 'other-assignment'],
    ['of which the disk does not say', { unreadable: true }, true, 'unreadable'],
    ['on a data root that is not there', { dataRoot: 'missing' }, true, 'data-root-missing'],
    ['on a data root of another host', { dataRoot: 'foreign' }, true, 'data-root-foreign'],
    ['on a data root that cannot be read', { dataRoot: 'unreadable' }, true, 'unreadable'],
    ['that has no data yet, on a data root that is not there', { dataRoot: 'missing' }, false, undefined],
  ])('%s', (_, found, provisioned, trouble) => {
    expect(troubleOf(found, provisioned)).toBe(trouble);
  });
});
