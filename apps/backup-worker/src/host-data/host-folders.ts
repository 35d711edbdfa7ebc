import { isAbsolute, join } from 'node:path';
import { InvalidIdError } from './errors.js';

/** The two folders that make up a project on a host. */
export const ROOT_NAMES = ['project', 'persist'] as const;
export type RootName = (typeof ROOT_NAMES)[number];

const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Where everything is on a host: the projects, and the worker's own folder beside them on the same file system. */
export class HostFolders {
  readonly own: string;
  /** Holds the host's id: without it the folder is not its data root, whatever stands there. */
  readonly marker: string;
  readonly states: string;
  readonly stagings: string;
  readonly trashes: string;
  readonly keeps: string;
  readonly switches: string;

  constructor(readonly dataRoot: string) {
    if (!isAbsolute(dataRoot)) throw new RangeError(`The data root must be an absolute path, not "${dataRoot}".`);
    this.own = join(dataRoot, '.buckets');
    this.marker = join(this.own, 'host-id');
    this.states = join(this.own, 'state');
    this.stagings = join(this.own, 'staging');
    this.trashes = join(this.own, 'trash');
    this.keeps = join(this.own, 'kept');
    this.switches = join(this.own, 'switch');
  }

  project(projectId: string): string {
    return join(this.dataRoot, checkedId(projectId));
  }

  root(projectId: string, root: RootName): string {
    return join(this.project(projectId), root);
  }

  provisionedRecord(projectId: string): string {
    return join(this.states, checkedId(projectId), 'provisioned.json');
  }

  switchRecord(projectId: string): string {
    return join(this.switches, `${checkedId(projectId)}.json`);
  }

  staging(operationId: string): string {
    return join(this.stagings, checkedId(operationId));
  }

  trash(operationId: string): string {
    return join(this.trashes, checkedId(operationId));
  }

  /** What a swap found in its way and no record accounts for: a person decides what becomes of it. */
  kept(operationId: string): string {
    return join(this.keeps, checkedId(operationId));
  }
}

/** Ids become names of folders, so nothing else than an id may pass here. */
function checkedId(id: string): string {
  if (!ID.test(id)) throw new InvalidIdError(id);
  return id;
}
