import { transformFile } from '@swc/core';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ORDINARY_USER } from './ordinary-user.js';
import { OPERATION, PROJECT, resultFor } from './temporary-host.js';

/** Carries out one order, and kills itself right after a given number of steps have changed the disk. */
const WORKER = `
import { Disk, HostFolders, ProvisionedRecords, Swap } from './host-data/index.js';
const [dataRoot, order, last, request, user] = process.argv.slice(2);
if (user && process.geteuid() === 0) {
  process.setgroups([]);
  process.setgid(Number(user));
  process.setuid(Number(user));
}
let steps = 0;
const disk = new Disk(() => {
  steps += 1;
  if (steps === Number(last)) process.kill(process.pid, 'SIGKILL');
});
const folders = new HostFolders(dataRoot);
const swap = new Swap(folders, disk, new ProvisionedRecords(folders, disk));
if (order === 'swap') await swap.swap({ ...JSON.parse(request), confirm: async () => true });
else await swap.rollForward();
`;

/** Where the sources of a swap are; they need nothing but Node. */
const ROOMS = ['file-system', 'processes', 'host-data'];

/** A worker in a process of its own, from the same sources, that can be killed in earnest. */
export class KillableWorker {
  readonly #program = mkdtempSync(join(tmpdir(), 'buckets-killable-'));

  async build(): Promise<void> {
    await writeFile(join(this.#program, 'package.json'), '{"type":"module"}');
    await writeFile(join(this.#program, 'worker.js'), WORKER);
    for (const room of ROOMS) await this.#buildRoom(room);
  }

  async #buildRoom(room: string): Promise<void> {
    const [sources, program] = [join(import.meta.dirname, '../..', room), join(this.#program, room)];
    await mkdir(program);
    for (const name of await readdir(sources)) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
      const { code } = await transformFile(join(sources, name), { sourceMaps: false });
      await writeFile(join(program, name.replace(/ts$/, 'js')), code);
    }
  }

  async run(
    order: 'swap' | 'roll-forward',
    dataRoot: string,
    killedAfter: number,
    as: 'this user' | 'an ordinary user' = 'this user',
  ): Promise<'ended' | 'killed'> {
    const request = { operationId: OPERATION, projectId: PROJECT, generation: 1, result: resultFor() };
    const args = [join(this.#program, 'worker.js'), dataRoot, order, String(killedAfter), JSON.stringify(request)];
    if (as === 'an ordinary user') args.push(String(ORDINARY_USER));
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] },
    });
    const complaints: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk.toString()));
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (signal === 'SIGKILL') return 'killed';
    if (code === 0) return 'ended';
    throw new Error(`the worker failed: ${complaints.join('')}`);
  }

  remove(): void {
    rmSync(this.#program, { recursive: true });
  }
}
