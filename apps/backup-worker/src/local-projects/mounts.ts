import { readFile, realpath } from 'node:fs/promises';
import { mountsIn, type Mount } from '../file-system/mount-points.js';

/** Notices which projects something was mounted into, over, or taken away from: no watcher tells of it. */
export class ProjectMounts {
  #table = '';
  #seen = new Map<string, string>();

  constructor(
    private readonly dataRoot: string,
    private readonly readTable = () => readFile('/proc/self/mountinfo', 'latin1'),
  ) {}

  /** The projects whose mounts are others than at the call before. Cheap where nothing was mounted anywhere. */
  async changed(): Promise<string[]> {
    const table = await this.readTable();
    if (table === this.#table) return [];
    this.#table = table;
    const before = this.#seen;
    // The kernel names places without the links that may lead there.
    const dataRoot = await realpath(this.dataRoot).catch(() => this.dataRoot);
    this.#seen = mountsOfProjects(mountsIn(table, dataRoot), dataRoot);
    const projects = new Set([...before.keys(), ...this.#seen.keys()]);
    return [...projects].filter((projectId) => before.get(projectId) !== this.#seen.get(projectId));
  }
}

/** What is mounted in or over the folder of each project, as a text that is another when that is. */
function mountsOfProjects(mounts: readonly Mount[], dataRoot: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const { point, line } of mounts) {
    const [projectId = ''] = point.slice(dataRoot.length + 1).split('/');
    if (projectId !== '') found.set(projectId, `${found.get(projectId) ?? ''}${line}\n`);
  }
  return found;
}
