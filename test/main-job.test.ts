import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { chmod, mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  changeTree,
  compareTrees,
  describeTree,
  differenceText,
  removeTree,
  type Difference,
  type TreeDescription,
} from '@buckets/trees';
import { growHardTree } from './running/hard-tree.js';
import { logPosition } from './running/log.js';
import { hasRestic, restic, rustic } from './running/plain-tools.js';
import { Product, US } from './running/product.js';
import { snapshotsOf } from './running/repositories.js';

jest.setTimeout(120_000);

/** A restore's holes come out in whole chunks of 8 MiB at most. */
const AS_RESTORED = { allocated: { notMoreThanBy: 8 * 2 ** 20 }, topFolder: false };

describe('the main job: a project is backed up, its data vanish, and its next start brings them back', () => {
  let product: Product;
  let folder: string;
  const backupIds: string[] = [];
  const pictures: TreeDescription[] = [];

  beforeAll(async () => {
    product = await Product.start();
    await product.newProject('atlas');
    folder = product.folder('atlas');
    const large = { seed: 1, smallFiles: 5_000, bytes: 30_000_000, sparseBytes: 2 ** 30 };
    const small = { seed: 2, smallFiles: 100, bytes: 1_000_000, sparseBytes: 50_000_000 };
    const leftOut = await growHardTree(join(folder, 'project'), large);
    await growHardTree(join(folder, 'persist'), small);
    // Its owner may not write to the root itself.
    await chmod(join(folder, 'persist'), 0o555);
    if (leftOut.length > 0) console.log(`Left out here: ${leftOut.join(', ')}`);
  });
  afterAll(() => product[Symbol.asyncDispose]());

  const differences = (expected: TreeDescription, actual: TreeDescription) =>
    compareTrees(expected, actual, AS_RESTORED).map(differenceText);

  it('backs up all that the project holds', async () => {
    pictures.push(await describeTree(folder));
    const operation = await product.backUp('atlas');
    expect(operation).toMatchObject({ state: 'succeeded', attempts: 1 });

    const backup = await product.api.backup('atlas', operation.result?.backupId);
    expect(backup).toMatchObject({ outcome: 'succeeded', partialBecause: [], unreadable: { total: 0 } });
    expect(backup.bytes).toBe(bytesOf(pictures[0]!));
    expect(backup.consistency).toEqual({ mode: 'stopped', movedWhileReading: false });
    backupIds.push(backup.id);
  });

  it('backs up no more than what has changed the next time', async () => {
    const changes = await changeTree(join(folder, 'project'), 7);
    pictures.push(await describeTree(folder));
    const operation = await product.backUp('atlas');
    expect(operation.state).toBe('succeeded');

    const [first, second] = await Promise.all(
      [backupIds[0], operation.result?.backupId].map((id) => product.api.backup('atlas', id)),
    );
    expect(second!.parentId).toBe(first!.id);
    expect(second!.bytesAdded).toBeLessThan(first!.bytesAdded / 10);
    expect(second!.filesNew).toBe(changes.filter(({ kind }) => kind === 'added' || kind === 'renamed').length);
    expect(second!.filesChanged).toBe(changes.filter(({ kind }) => kind === 'edited').length);
    backupIds.push(second!.id);
  });

  it('brings everything back when the project starts and its folder is gone', async () => {
    await removeTree(folder);
    const operation = await product.start('atlas');
    expect(operation).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: backupIds[1], roots: ['project', 'persist'], problems: { total: 0 } } },
    });
    expect(await product.api.project('atlas')).toMatchObject({ running: true, provisioned: true });
    expect(differences(pictures[1]!, await describeTree(folder))).toEqual([]);
  });

  it('brings back only the root that is missing, and says so', async () => {
    expect(await product.stop('atlas')).toMatchObject({ state: 'succeeded' });
    await writeFile(join(folder, 'project', 'written since'), 'kept');
    const { ino } = await stat(join(folder, 'project'));
    await removeTree(join(folder, 'persist'));

    const operation = await product.start('atlas');
    expect(operation).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: backupIds[1], roots: ['persist'] } },
    });
    expect((await stat(join(folder, 'project'))).ino).toBe(ino);
    expect(await readFile(join(folder, 'project', 'written since'), 'utf8')).toBe('kept');
    expect(differences(below(pictures[1]!, 'persist'), await describeTree(join(folder, 'persist')))).toEqual([]);
  });

  it('restores nothing under a project that runs', async () => {
    const answer = await product.api.call('POST', `/v1/projects/atlas/backups/${backupIds[0]}/restore`);
    expect(answer).toMatchObject({ status: 409, body: { code: 'project-is-running' } });
  });

  it('restores the whole project from the backup that is asked for', async () => {
    await product.stop('atlas');
    const operation = await product.restore('atlas', backupIds[0]!);
    expect(operation).toMatchObject({
      state: 'succeeded',
      result: { restore: { backupId: backupIds[0], roots: ['project', 'persist'] } },
    });
    expect(differences(pictures[0]!, await describeTree(folder))).toEqual([]);
  });

  it('never restores the backup of another project', async () => {
    await product.newProject('borealis', { hostId: US });
    await mkdir(join(product.folder('borealis', US), 'project', 'docs'));
    await writeFile(join(product.folder('borealis', US), 'project', 'docs', 'a'), 'of borealis');
    const { result } = await product.backUp('borealis');

    const before = await logPosition(product);
    const answer = await product.api.call('POST', `/v1/projects/atlas/backups/${result?.backupId}/restore`);
    expect(answer).toMatchObject({ status: 404, body: { code: 'backup-not-found' } });
    expect(await logPosition(product)).toBe(before);
  });

  it('tells what goes on while it goes on, to whoever listens, and ends with the end', async () => {
    const { id } = await product.api.ask('/v1/projects/borealis/backups');
    const { status, headers, body } = await product.api.call<Buffer>('GET', `/v1/operations/${id}/events`);
    expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const states = [...body.toString().matchAll(/event: state\ndata: (.*)\n/g)].map(
      ([, data]) => JSON.parse(data!) as unknown,
    );
    expect(states.at(-1)).toMatchObject({ id, state: 'succeeded' });
  });

  it('makes one snapshot for each backup, in layout v2, and names no path of the host in it', async () => {
    const snapshots = await snapshotsOf(product, 'atlas');
    // After a restore there is soon one more, by the schedule.
    const ours = snapshots.filter(({ id }) => backupIds.includes(id));
    expect(ours).toHaveLength(backupIds.length);
    for (const snapshot of ours) {
      const { operationId, counter } = await product.api.backup('atlas', snapshot.id);
      expect(snapshot).toMatchObject({ hostname: 'atlas', paths: ['/'] });
      expect(snapshot.tags).toContain(`operation:${operationId}`);
      expect(JSON.parse(snapshot.description!)).toMatchObject({
        layout: 'v2',
        project: 'atlas',
        host: 'eu-1',
        operation: operationId,
        counter,
      });
      expect(inspect(snapshot, { depth: 9 })).not.toContain(product.dataDir);
    }
  });

  it('can be had back by plain rustic and the recovery password, without Buckets', async () => {
    const target = await mkdtemp(join(product.dataDir, 'rustic-'));
    await rustic(product, 'atlas', ['restore', '--numeric-id', '--sparse=by-content', backupIds[1]!, target]);
    const found = compareTrees(pictures[1]!, await describeTree(target), AS_RESTORED);
    expect(found.filter((difference) => !isBeyondRustic(difference)).map(differenceText)).toEqual([]);
  });

  (hasRestic ? describe : describe.skip)('judged by restic, which must be installed', () => {
    it.each(['atlas', 'borealis'])('the repository of %s is whole', async (projectId) => {
      expect(await restic(product, projectId, ['check', '--read-data'])).toContain('no errors were found');
    });

    it('the newest backup comes back by restic and the recovery password alone', async () => {
      const target = await mkdtemp(join(product.dataDir, 'restic-'));
      await restic(product, 'atlas', ['restore', backupIds[1]!, '--target', target, '--exclude', 'sparse.img']);
      const kinds = ['missing', 'type', 'size', 'content', 'link-target'];
      const found = compareTrees(pictures[1]!, await describeTree(target), { allocated: 'ignore', topFolder: false });
      const ofBytes = found
        .filter(({ kind }) => kinds.includes(kind))
        .filter((difference) => !isBeyondRestic(difference));
      expect(ofBytes.map(differenceText)).toEqual([]);
    });
  });

  it('leaves nothing behind on the host but the project and what the worker keeps', async () => {
    const dataRoot = product.dataRoot('eu-1');
    expect((await readdir(dataRoot)).toSorted()).toEqual(['.buckets', 'atlas']);
    expect(await readdir(join(dataRoot, '.buckets', 'staging'))).toEqual([]);
    expect(await readdir(join(dataRoot, '.buckets', 'switch'))).toEqual([]);
    expect(await readdir(join(dataRoot, '.buckets', 'endings'))).toEqual([]);
    expect(await readdir(join(dataRoot, '.buckets', 'run'))).toEqual([]);
  });
});

/** Of an ordinary user's read-only files, plain rustic does not set the attributes. */
function isBeyondRustic({ path, kind }: Difference): boolean {
  return process.geteuid?.() !== 0 && kind === 'attributes' && path.endsWith('/read-only');
}

/** Debian's restic makes no sockets, spoils links to names that are not UTF-8, and would write a gigabyte for a hole. */
function isBeyondRestic({ path, kind, expected }: Difference): boolean {
  return (
    expected === 'socket' ||
    (kind === 'link-target' && expected.includes('\\xff')) ||
    (kind === 'missing' && path.endsWith('/sparse.img'))
  );
}

function bytesOf(tree: TreeDescription): number {
  return [...tree.values()].reduce((sum, { size = 0 }) => sum + size, 0);
}

/** A part of a description, as a description of its own. */
function below(tree: TreeDescription, root: string): TreeDescription {
  const inside = [...tree].filter(([path]) => path === root || path.startsWith(`${root}/`));
  return new Map(inside.map(([path, entry]) => [path.slice(root.length + 1), shifted(entry, root)]));
}

function shifted<E extends { linkedTo?: string }>(entry: E, root: string): E {
  return entry.linkedTo === undefined ? entry : { ...entry, linkedTo: entry.linkedTo.slice(root.length + 1) };
}
