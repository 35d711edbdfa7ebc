import type { DataRootState, ProjectTrouble } from '@buckets/contracts';
import type { Inspection } from '../host-data/index.js';

/** What a look at a project came to. */
export type ProjectSight =
  | {
      inspection: Inspection;
      /** Another file system is mounted over the project's folder or a root. */ mountedOver: boolean;
    }
  /** The disk does not say. */
  | { unreadable: true }
  /** The data root is not here: nothing can be said of anything in it. */
  | { dataRoot: Exclude<DataRootState, 'here'> };

/**
 * Why the data of a project cannot be used; undefined when they can, and for a project that nobody has brought here yet.
 *
 * @param provisioned whether its data were once brought to this host, by the control plane's word
 */
export function troubleOf(sight: ProjectSight, provisioned: boolean): ProjectTrouble | undefined {
  if ('dataRoot' in sight) return provisioned ? WITHOUT_DATA_ROOT[sight.dataRoot] : undefined;
  if ('unreadable' in sight) return 'unreadable';
  const { inspection, mountedOver } = sight;
  switch (inspection.state) {
    case 'provisioned':
      return undefined;
    case 'unrecorded-data':
    case 'root-missing':
      if (mountedOver) return 'hidden';
      return inspection.state === 'root-missing' ? 'data-missing' : 'unrecorded-data';
    case 'other-assignment':
      return 'other-assignment';
    case 'missing':
    case 'empty-unrecorded':
      if (mountedOver) return 'hidden';
      return provisioned ? 'data-missing' : undefined;
  }
}

const WITHOUT_DATA_ROOT: Record<Exclude<DataRootState, 'here'>, ProjectTrouble> = {
  opening: 'data-root-missing',
  missing: 'data-root-missing',
  foreign: 'data-root-foreign',
  unreadable: 'unreadable',
  'in-use': 'data-root-missing',
};
