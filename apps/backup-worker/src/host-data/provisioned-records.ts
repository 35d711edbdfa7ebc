import { chmod, chown, lstat, stat } from 'node:fs/promises';
import type { Disk } from './disk.js';
import { errorCode, exists, isAbsence } from '../file-system/paths.js';
import {
  DamagedRecordError,
  DataLostError,
  NothingToAdoptError,
  OtherAssignmentError,
  ProjectUnreadableError,
  SwitchPendingError,
  UnrecordedDataError,
} from './errors.js';
import { ROOT_NAMES } from './host-folders.js';
import type { HostFolders, RootName } from './host-folders.js';
import { judge } from './inspection.js';
import type { Inspection } from './inspection.js';
import { isProvisionedRecord } from './provisioned-record.js';
import type { ProvisionedRecord } from './provisioned-record.js';
import { lookAt } from './roots.js';
import type { RootIdentity, RootSight } from './roots.js';

/** How the roots of a new project are made. */
export interface NewRoots {
  /** Permission bits; 0o755 if not given. */
  mode?: number;
  owner?: { uid: number; gid: number };
  /** Somebody asked for an empty project in so many words, knowing that data were here once. */
  evenIfDataAreLost?: boolean;
}

/** Knows of each project whether its data are on this host. */
export class ProvisionedRecords {
  constructor(
    private readonly folders: HostFolders,
    private readonly disk: Disk,
    /** Throws while the data root is not this host's, such as when it is not mounted. */
    private readonly dataRootMustBeHere: () => Promise<void> = () => Promise.resolve(),
  ) {}

  /**
   * What is here of a project, as far as the assignment of this generation goes; changes nothing.
   * @throws ProjectUnreadableError; what says that the data root is not here
   */
  async inspect(projectId: string, generation: number): Promise<Inspection> {
    await this.dataRootMustBeHere();
    let inspection: Inspection | undefined;
    try {
      inspection = judge(await this.#readableRecord(projectId), await this.#look(projectId), generation);
      return inspection;
    } finally {
      // Nothing is missing, foreign or broken where the data root itself has gone in the middle of the look.
      if (inspection?.state !== 'provisioned') await this.dataRootMustBeHere();
    }
  }

  /** @throws DamagedRecordError when the file is there and cannot be understood, ProjectUnreadableError when it cannot be read */
  async read(projectId: string): Promise<ProvisionedRecord | undefined> {
    const file = this.folders.provisionedRecord(projectId);
    const value = await this.disk.readRecord(file).catch((error: unknown) => {
      throw error instanceof DamagedRecordError ? error : unreadable(projectId, error);
    });
    if (value !== undefined && !isProvisionedRecord(value, projectId)) throw new DamagedRecordError(file);
    return value;
  }

  async write(record: ProvisionedRecord): Promise<void> {
    await this.disk.makeFolder(this.folders.states);
    await this.disk.writeRecord(this.folders.provisionedRecord(record.projectId), record);
  }

  /** Takes the word back, before the data are removed on purpose. */
  async remove(projectId: string): Promise<void> {
    const file = this.folders.provisionedRecord(projectId);
    if (await exists(file)) await this.disk.removeRecord(file);
  }

  /**
   * Creates the empty roots of a new project. Done already, it changes nothing; broken off at any point, it can be repeated.
   * @throws UnrecordedDataError, OtherAssignmentError, DataLostError, SwitchPendingError
   */
  async createEmpty(projectId: string, generation: number, how: NewRoots = {}): Promise<ProvisionedRecord> {
    if (await exists(this.folders.switchRecord(projectId))) throw new SwitchPendingError(projectId);
    const inspection = await this.inspect(projectId, generation);
    if (inspection.state === 'provisioned') return inspection.record;
    if (inspection.state === 'other-assignment')
      throw new OtherAssignmentError(projectId, inspection.record.generation);
    if (inspection.state === 'unrecorded-data') throw new UnrecordedDataError(projectId, inspection.found);
    if (inspection.state === 'root-missing' && !how.evenIfDataAreLost) {
      throw new DataLostError(projectId, inspection.missing);
    }
    const toCreate = inspection.state === 'root-missing' ? inspection.missing : ROOT_NAMES;
    await this.disk.makeFolder(this.folders.project(projectId), 0o755);
    for (const root of toCreate) await this.#createRoot(this.folders.root(projectId, root), how);
    // What an earlier attempt created is flushed too; it may not have come to that.
    await this.disk.flushFolder(this.folders.project(projectId));
    await this.disk.flushFolder(this.folders.dataRoot);
    return this.#record(projectId, generation, 'created');
  }

  /**
   * Takes both roots as they stand for the project's data, because a person said that they are.
   * @throws UnrecordedDataError when one of them is not a folder, NothingToAdoptError when one is not there, SwitchPendingError
   */
  async adopt(projectId: string, generation: number): Promise<ProvisionedRecord> {
    if (await exists(this.folders.switchRecord(projectId))) throw new SwitchPendingError(projectId);
    await this.dataRootMustBeHere();
    return this.#record(projectId, generation, 'adopted');
  }

  async #createRoot(root: string, how: NewRoots): Promise<void> {
    await this.disk.makeFolder(root);
    if (how.owner) await chown(root, how.owner.uid, how.owner.gid);
    await chmod(root, how.mode ?? 0o755);
    await this.disk.flushFolder(root);
  }

  async #record(projectId: string, generation: number, by: 'created' | 'adopted'): Promise<ProvisionedRecord> {
    const roots = presentRoots(projectId, await this.#look(projectId));
    const record: ProvisionedRecord = { version: 1, projectId, generation, roots, since: new Date().toISOString(), by };
    await this.write(record);
    return record;
  }

  /** A record that cannot be understood accounts for nothing: what stands there is then kept as unrecorded. */
  async #readableRecord(projectId: string): Promise<ProvisionedRecord | undefined> {
    try {
      return await this.read(projectId);
    } catch (error) {
      if (error instanceof DamagedRecordError) return undefined;
      throw error;
    }
  }

  async #look(projectId: string): Promise<Record<RootName, RootSight>> {
    try {
      return await this.#lookAtRoots(projectId);
    } catch (error) {
      throw unreadable(projectId, error);
    }
  }

  async #lookAtRoots(projectId: string): Promise<Record<RootName, RootSight>> {
    const device = (await stat(this.folders.dataRoot, { bigint: true })).dev;
    const parent = await this.#lookAtProject(projectId, device);
    const look = (root: RootName) => parent ?? lookAt(this.folders.root(projectId, root), device);
    return { project: await look('project'), persist: await look('persist') };
  }

  /** What both roots are taken for when the project's own folder is not one of ours: behind a link there is no root. */
  async #lookAtProject(projectId: string, device: bigint): Promise<RootSight | undefined> {
    try {
      const stats = await lstat(this.folders.project(projectId), { bigint: true });
      if (stats.isDirectory() && stats.dev === device) return undefined;
      return { kind: 'other', what: "the project's own folder is a link, a file or another file system" };
    } catch (error) {
      if (isAbsence(error)) return { kind: 'absent' };
      throw error;
    }
  }
}

/** What the system said, as the trouble of this one project. An id that is none is not the disk's fault. */
function unreadable(projectId: string, error: unknown): unknown {
  const code = errorCode(error);
  return code === undefined || !/^E[A-Z]/.test(code) ? error : new ProjectUnreadableError(projectId, code, error);
}

function presentRoots(projectId: string, sights: Record<RootName, RootSight>): Record<RootName, RootIdentity> {
  const identity = (root: RootName): RootIdentity => {
    const sight = sights[root];
    if (sight.kind === 'other') throw new UnrecordedDataError(projectId, [{ root, what: sight.what }]);
    if (sight.kind === 'absent') throw new NothingToAdoptError(projectId, root);
    return sight.identity;
  };
  return { project: identity('project'), persist: identity('persist') };
}
