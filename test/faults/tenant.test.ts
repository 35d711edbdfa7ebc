import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@buckets/patience';
import { makeRestless, plantSecret, RESTLESS, secretOf, whileAtWork, wrongIn, wrongOnDisk } from './tenant.js';

let folder: string;
let project: string;
const targets = () => ({ file: join(folder, 'elsewhere', 'secret'), folder: join(folder, 'elsewhere') });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'buckets-tenant-'));
  project = join(folder, 'amber');
  await makeRestless(project);
  await plantSecret(targets().folder, 'basalt');
});
afterEach(() => rm(folder, { recursive: true }));

describe('a tenant at work', () => {
  it.each(['swap-files', 'swap-folders', 'write-logs'] as const)('%s, and leaves nothing wrong', async (doing) => {
    const before = await contents();
    const changes = until(async () => JSON.stringify(await contents()) !== JSON.stringify(before));
    expect(await whileAtWork(doing, project, targets(), async () => void (await changes))).toBeGreaterThan(0);
    expect(await wrongOnDisk(project)).toEqual([]);
    const after = await contents();
    if (doing === 'write-logs') expect(after).not.toEqual(before);
    else expect(after).toEqual(before);
  });

  it('does nothing while its project is not there', async () => {
    await rm(project, { recursive: true });
    expect(await whileAtWork('write-logs', project, targets(), () => Promise.resolve())).toBe(0);
    expect(await readdir(folder)).toEqual(['elsewhere']);
  });
});

describe("a tenant's files", () => {
  it('hold beginnings of what a tenant writes, and never what belongs to others', async () => {
    const own = await readFile(join(project, RESTLESS, 'swapped', 'f0'));
    const log = await readFile(join(project, RESTLESS, 'logs', 'l0'));
    const right = [own, own.subarray(0, 7), Buffer.concat([log, log, log.subarray(0, 3)]), Buffer.alloc(0)];
    expect(right.map((content) => wrongIn('l0', content))).toEqual(right.map(() => undefined));
    const wrong = [secretOf('basalt'), 'anything else', `${String(log)}x`, `${String(own)}.`];
    for (const text of wrong) expect(wrongIn('l0', Buffer.from(text))).toEqual(expect.any(String));
  });

  it('are found with what belongs to others, and links are not followed', async () => {
    await symlink(targets().folder, join(project, RESTLESS, 'link'));
    expect(await wrongOnDisk(project)).toEqual([]);
    await writeFile(join(project, RESTLESS, 'swapped', 'f3'), secretOf('basalt'));
    expect(await wrongOnDisk(project)).toEqual([expect.stringMatching(/^persist\/restless\/swapped\/f3 holds/)]);
  });
});

/** Without what the tenant makes before it is at work, and what it makes to put in place. */
async function contents(): Promise<Record<string, string>> {
  const top = join(project, RESTLESS);
  const paths = (await readdir(top, { recursive: true })).filter((path) => !/\/\.?(file|dump)$/.test(path)).toSorted();
  const read = paths.map(async (path) => {
    const file = join(top, path);
    return [path, (await lstat(file)).isFile() ? await readFile(file, 'utf8') : 'no file'] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}
