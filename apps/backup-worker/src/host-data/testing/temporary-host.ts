import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exists } from '../../file-system/paths.js';
import { Disk } from '../disk.js';
import { HostFolders, ROOT_NAMES } from '../host-folders.js';
import type { RootName } from '../host-folders.js';
import { ProvisionedRecords } from '../provisioned-records.js';
import type { RestoreResult } from '../restore-result.js';
import { Swap } from '../swap.js';

export const PROJECT = 'the-project';
export const OPERATION = 'the-operation';

/** A data root of its own in the system's temporary folder. */
export class TemporaryHost {
  readonly folders = new HostFolders(mkdtempSync(join(tmpdir(), 'buckets-restore-')));

  constructor() {
    mkdirSync(this.folders.own);
  }

  /** The worker's parts as they are after a start, all with a disk of their own. */
  worker(disk = new Disk()): { disk: Disk; records: ProvisionedRecords; swap: Swap } {
    const records = new ProvisionedRecords(this.folders, disk);
    return { disk, records, swap: new Swap(this.folders, disk, records) };
  }

  /** Both roots with files of this content, recorded. */
  async provision(content: string): Promise<void> {
    await this.worker().records.createEmpty(PROJECT, 1);
    for (const root of ROOT_NAMES) await fill(this.folders.root(PROJECT, root), content);
  }

  /** What a checked restore leaves in staging. */
  async stage(content: string, roots: readonly RootName[] = ROOT_NAMES): Promise<void> {
    for (const root of roots) await fill(join(this.folders.staging(OPERATION), root), content);
  }

  /** The content of a root's files, undefined when there is no root. */
  async contentOf(root: RootName): Promise<string | undefined> {
    const folder = this.folders.root(PROJECT, root);
    return (await exists(folder)) ? readFile(join(folder, 'below', 'file'), 'utf8') : undefined;
  }

  /** Every path below a folder of the worker's own, such as `trash`. */
  async list(own: 'staging' | 'switch' | 'trash' | 'kept'): Promise<string[]> {
    const folder = join(this.folders.own, own);
    return (await exists(folder)) ? (await readdir(folder, { recursive: true })).sort() : [];
  }

  remove(): void {
    execFileSync('chmod', ['-R', 'u+rwX', this.folders.dataRoot]);
    execFileSync('rm', ['-rf', this.folders.dataRoot]);
  }
}

/** A folder, a file and a link in it. */
export async function fill(folder: string, content: string): Promise<void> {
  await mkdir(join(folder, 'below'), { recursive: true });
  await writeFile(join(folder, 'below', 'file'), content);
  await symlink('below/file', join(folder, 'link'));
}

export function resultFor(roots: readonly RootName[] = ROOT_NAMES): RestoreResult {
  return { backupId: 'f'.repeat(64), roots: [...roots], entries: 8, bytes: 6, problems: [], problemCount: 0 };
}

/** Runs until a number of steps have changed the disk and lets it hang there for good, as a kill would. */
export async function untilStep(last: number, work: (disk: Disk) => Promise<unknown>): Promise<'ended' | 'cut off'> {
  const { promise: cutOff, resolve } = Promise.withResolvers<'cut off'>();
  let steps = 0;
  const disk = new Disk(async () => {
    steps += 1;
    if (steps < last) return;
    resolve('cut off');
    await new Promise<never>(() => undefined);
  });
  return Promise.race([work(disk).then(() => 'ended' as const), cutOff]);
}
