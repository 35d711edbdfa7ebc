import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { rawPath } from '@buckets/trees';
import { until } from '../stack/src/index.js';
import { fullPath } from '../libs/trees/src/raw-path.js';
import type { Answer, Problem } from './running/api.js';
import { Product } from './running/product.js';

jest.setTimeout(60_000);

const MIB = 2 ** 20;

interface Entry {
  name: string;
  type: string;
  size: number;
  mode: string;
  mtime: string;
}

interface Listing {
  entries: Entry[];
  nextCursor?: string;
}

let product: Product;
let folder: string;

beforeAll(async () => {
  product = await Product.start({ services: ['api', 'worker-eu-1'] });
  await product.newProject('atlas');
  folder = product.folder('atlas');
});
afterAll(() => product[Symbol.asyncDispose]());

const address = (path: string, more = '') => `/v1/projects/atlas/files?path=${encodeURIComponent(path)}${more}`;
const read = (path: string) => product.api.call<Buffer>('GET', address(path));
const list = (path: string, more = '') => product.api.get<Listing>(address(path, more));
const write = (path: string, body: Uint8Array | string): Promise<Answer> =>
  product.api.call('PUT', address(path), { body, headers: { 'content-type': 'application/octet-stream' } });
const remove = (path: string, more = '') => product.api.call('DELETE', address(path, more));

describe('live files', () => {
  it('begin with the two roots of the project', async () => {
    const { entries } = await product.api.get<Listing>('/v1/projects/atlas/files');
    expect(entries.map(({ name, type }) => [name, type])).toEqual([
      ['persist', 'folder'],
      ['project', 'folder'],
    ]);
  });

  it('are listed as many at a time as is asked for, and all in the end', async () => {
    const many = join(folder, 'project', 'many');
    await mkdir(many);
    const names = Array.from({ length: 1_100 }, (_, i) => `file-${String(i).padStart(4, '0')}`);
    for (const name of names) await writeFile(join(many, name), '');
    for (const limit of [1, 500, 501, 1_000]) {
      expect((await list('project/many', `&limit=${limit}`)).entries.map(({ name }) => name)).toEqual(
        names.slice(0, limit),
      );
    }
    const first = await list('project/many', '&limit=1000');
    const rest = await list('project/many', `&limit=1000&cursor=${first.nextCursor}`);
    expect([...first.entries, ...rest.entries].map(({ name }) => name)).toEqual(names);
    expect(rest.nextCursor).toBeUndefined();
    expect((await product.api.call('GET', address('project/many', '&limit=1001'))).status).toBe(400);
    await rm(many, { recursive: true });
  });

  it('are written whole, with the folders above them, read back, listed and removed', async () => {
    expect((await write('project/notes/2026/today.md', '# Today')).status).toBe(204);
    expect(await readFile(join(folder, 'project/notes/2026/today.md'), 'utf8')).toBe('# Today');

    const answer = await read('project/notes/2026/today.md');
    expect([answer.status, answer.body.toString()]).toEqual([200, '# Today']);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('content-disposition')).toBe('attachment');

    expect((await write('project/notes/2026/today.md', 'shorter')).status).toBe(204);
    expect((await read('project/notes/2026/today.md')).body.toString()).toBe('shorter');

    const { entries } = await list('project/notes/2026');
    expect(entries).toEqual([
      { name: 'today.md', type: 'file', size: 7, mode: '0644', mtime: expect.stringMatching(/^20.*Z$/) },
    ]);

    expect((await remove('project/notes')).status).toBe(409);
    expect((await remove('project/notes/2026/today.md')).status).toBe(204);
    expect((await remove('project/notes', '&recursive=true')).status).toBe(204);
    expect(await readdir(join(folder, 'project'))).toEqual([]);
    expect(await read('project/notes')).toMatchObject({ status: 404, body: { code: 'file-not-found' } });
  });

  it.each([0, 1, 512 * 1024, 512 * 1024 + 1, 8 * MIB])('of %i bytes come back as they were', async (size) => {
    const bytes = randomBytes(size);
    expect((await write('project/blob', bytes)).status).toBe(204);
    expect(digest(await readFile(join(folder, 'project/blob')))).toBe(digest(bytes));
    const { status, body } = await read('project/blob');
    expect([status, body.length, digest(body)]).toEqual([200, size, digest(bytes)]);
  });

  it('of more than 8 MiB are neither written nor read', async () => {
    const bytes = randomBytes(8 * MIB + 1);
    await write('project/kept', 'as it was');
    expect(await write('project/kept', bytes)).toMatchObject({ status: 413, body: { code: 'body-too-large' } });
    expect(await readFile(join(folder, 'project/kept'), 'utf8')).toBe('as it was');

    await writeFile(join(folder, 'project/large'), bytes);
    expect(await read('project/large')).toMatchObject({ status: 413, body: { code: 'file-too-large' } });
  });

  it('have whatever names they have', async () => {
    const names = [
      'Übergröße 日本語 🌳.txt',
      'two\nlines',
      '-rf',
      ' ',
      'a?b#c%20&d=e+f',
      'back\\slash',
      '\u202egnp.exe',
    ];
    await mkdir(join(folder, 'project/names'));
    for (const name of names) await writeFile(join(folder, 'project/names', name), name);
    await writeFile(fullPath(join(folder, 'project/names'), rawPath(Buffer.from([0x66, 0xff, 0xfe]))), 'latin1');

    const { entries } = await list('project/names');
    expect(entries).toHaveLength(names.length + 1);
    for (const { name } of entries) {
      const { status, body } = await read(`project/names/${name}`);
      expect(status).toBe(200);
      expect(names.includes(body.toString()) || body.toString() === 'latin1').toBe(true);
    }
    expect((await write('persist/Übergröße 日本語 🌳.txt', 'new')).status).toBe(204);
    expect(await readFile(join(folder, 'persist/Übergröße 日本語 🌳.txt'), 'utf8')).toBe('new');
  });

  it('are listed page by page, each once', async () => {
    await mkdir(join(folder, 'project/many'));
    const names = Array.from({ length: 1_234 }, (_, n) => `file-${n}`);
    for (const name of names) await writeFile(join(folder, 'project/many', name), '');
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { entries, nextCursor } = await list('project/many', `&limit=500${cursor ? `&cursor=${cursor}` : ''}`);
      expect(entries.length).toBeLessThanOrEqual(500);
      seen.push(...entries.map(({ name }) => name));
      cursor = nextCursor;
    } while (cursor !== undefined);
    expect(seen.toSorted()).toEqual(names.toSorted());
  });

  it('that are links are shown, and nothing else', async () => {
    await symlink('kept', join(folder, 'project/a-link'));
    const { entries } = await list('project');
    expect(entries).toContainEqual(expect.objectContaining({ name: 'a-link', type: 'link' }));
    expect(await read('project/a-link')).toMatchObject({ status: 409, body: { code: 'path-is-a-link' } });
    expect(await remove('project/a-link')).toMatchObject({ status: 409, body: { code: 'path-is-a-link' } });
    expect((await stat(join(folder, 'project/kept'))).isFile()).toBe(true);
  });

  it('never lead out of the project, even when a folder is swapped for a link in between', async () => {
    const outside = join(product.dataDir, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'of another');
    await mkdir(join(folder, 'project/swapped'));
    await writeFile(join(folder, 'project/swapped/secret'), 'own');

    const ending = new AbortController();
    const swapping = swapInALoop(join(folder, 'project/swapped'), outside, ending.signal);
    const seen = new Set<string>();
    // What is wanted is that both have been met: the folder in place, and the link.
    await until(
      async () => {
        const [{ status, body }, written] = [
          await read('project/swapped/secret'),
          await write('project/swapped/new', 'written'),
        ];
        seen.add(status === 200 ? body.toString() : (body as unknown as Problem).code);
        seen.add(`write ${written.status}`);
        return seen.has('own') && seen.has('path-is-a-link') && seen.has('write 204') && seen.has('write 409');
      },
      { what: 'a folder and a link in its place', withinMs: 40_000 },
    ).finally(() => ending.abort());
    await swapping;

    expect([...seen]).not.toContain('of another');
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('of another');
  });

  it('count as changes when they are written and removed', async () => {
    const counterOfBackup = async () => {
      const { result } = await product.backUp('atlas');
      return (await product.api.backup('atlas', result?.backupId)).counter;
    };
    const first = await counterOfBackup();
    await write('project/counted', 'x');
    const second = await counterOfBackup();
    expect(second).toMatchObject({ generation: first.generation, epoch: first.epoch });
    expect(second.n).toBeGreaterThan(first.n);
    await remove('project/counted');
    expect((await counterOfBackup()).n).toBeGreaterThan(second.n);
  });

  it('can be worked with while the project is backed up', async () => {
    await writeFile(join(folder, 'project/huge'), randomBytes(200_000_000));
    const { id } = await product.api.ask('/v1/projects/atlas/backups');
    await product.api.seen(id, ({ state }) => state === 'running', 'its beginning');
    expect((await write('project/meanwhile', 'x')).status).toBe(204);
    expect((await product.api.get<{ state: string }>(`/v1/operations/${id}`)).state).toBe('running');
    expect(await product.api.ended(id)).toMatchObject({ state: 'succeeded' });
    await rm(join(folder, 'project/huge'));
  });

  it('are not there while the project has no data on its host, or its host is away', async () => {
    await rename(folder, `${folder}-away`);
    expect(await read('project/kept')).toMatchObject({ status: 409, body: { code: 'project-folder-missing' } });
    expect(await write('project/kept', 'x')).toMatchObject({ status: 409, body: { code: 'project-folder-missing' } });
    await rename(`${folder}-away`, folder);

    await product.stack.kill('worker-eu-1');
    expect(await read('project/kept')).toMatchObject({ status: 503, body: { code: 'host-unreachable' } });
    await product.stack.restart('worker-eu-1');
    expect(await read('project/kept')).toMatchObject({ status: 200 });
  });

  it('leave no half of an upload behind', async () => {
    expect(await readdir(join(product.dataRoot('eu-1'), '.buckets', 'uploads'))).toEqual([]);
  });
});

/** A folder, a link to elsewhere in its place, and so on, until the signal; the folder is there at the end. */
async function swapInALoop(place: string, elsewhere: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await rename(place, `${place}-aside`);
    await overWhatIsWritten(place, () => symlink(elsewhere, place));
    await breathe();
    await rm(place);
    await overWhatIsWritten(place, () => rename(`${place}-aside`, place));
    await breathe();
  }
}

/** A write in the wrong moment makes the folder that is missing. */
async function overWhatIsWritten(place: string, put: () => Promise<void>): Promise<void> {
  const isThere = (error: NodeJS.ErrnoException) => ['EEXIST', 'ENOTEMPTY'].includes(error.code ?? '');
  for (let done = false; !done;) {
    done = await put().then(
      () => true,
      async (error: unknown) => {
        if (!isThere(error as NodeJS.ErrnoException)) throw error;
        await rm(place, { recursive: true, force: true });
        return false;
      },
    );
  }
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
