import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFile,
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import {
  LIVE_FILE_BYTES,
  LiveFiles,
  LiveFilesError,
  PAGE_LIMIT,
  PART_BYTES,
  type LiveFilesErrorCode,
} from './index.js';
import { CALLS_AT_ONCE, FOLDERS_AT_ONCE, OPEN_UPLOADS, UPLOAD_REST_MS } from './limits.js';
import { Removals } from './removals.js';

const run = promisify(execFile);
const asRoot = process.geteuid?.() === 0 ? it : it.skip;

let place: string;
let home: string;
let uploads: string;
let changes: string[];
let files: LiveFiles;

beforeEach(async () => {
  place = await mkdtemp(`${tmpdir()}/buckets-live-`);
  home = `${place}/data/p1/project`;
  uploads = `${place}/data/.buckets/uploads`;
  await mkdir(home, { recursive: true });
  await mkdir(`${place}/data/p1/persist`);
  await mkdir(`${place}/data/.buckets`);
  await writeFile(`${place}/outside`, 'secret');
  changes = [];
  files = new LiveFiles({ dataRoot: `${place}/data`, uploadsFolder: uploads, onChange: (id) => void changes.push(id) });
});

afterEach(() => run('rm', ['-rf', place]));

async function refused(call: Promise<unknown>): Promise<LiveFilesErrorCode | 'nothing'> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return 'nothing';
  expect(error).toBeInstanceOf(LiveFilesError);
  return (error as LiveFilesError).code;
}

async function write(path: string, content: string | Buffer, options: { mode?: number; createFolders?: boolean } = {}) {
  const bytes = Buffer.from(content);
  const upload = await files.beginWrite('p1', path, { size: bytes.length, ...options });
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    await files.writeChunk(upload, at, bytes.subarray(at, at + PART_BYTES));
  }
  return await files.commitWrite(upload, { sha256: sha256(bytes) });
}

async function readAll(path: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let [offset, expect]: [number, string | undefined] = [0, undefined];
  for (;;) {
    const part = await files.read('p1', path, { offset, length: PART_BYTES, expect });
    parts.push(part.bytes);
    if (part.eof) return Buffer.concat(parts);
    offset += part.bytes.length;
    expect = part.token;
  }
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const SET = `
import json, os, sys
for name, value in json.loads(sys.argv[2]).items():
    os.setxattr(sys.argv[1], name, bytes.fromhex(value))
`;
const GET = `
import json, os, sys
print(json.dumps({name: os.getxattr(sys.argv[1], name).hex() for name in os.listxattr(sys.argv[1])}))
`;

/** One of each kind: of a user, of root, an access list that lets user 1234 read and write, and a capability. */
async function setAttributes(path: string): Promise<void> {
  const entry = (tag: number, bits: number, id = 0xffffffff): string => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(tag, 0);
    bytes.writeUInt16LE(bits, 2);
    bytes.writeUInt32LE(id, 4);
    return bytes.toString('hex');
  };
  const list = [entry(1, 6), entry(2, 6, 1234), entry(4, 4), entry(0x10, 6), entry(0x20, 0)];
  const attributes = {
    'user.trial': '6869',
    'trusted.trial': '00ff',
    'system.posix_acl_access': `02000000${list.join('')}`,
    'security.capability': '0100000200040000000000000000000000000000',
  };
  await run('python3', ['-c', SET, path, JSON.stringify(attributes)]);
}

async function attributesOf(path: string): Promise<Record<string, string>> {
  return JSON.parse((await run('python3', ['-c', GET, path])).stdout) as Record<string, string>;
}

it('nothing is made in the place of a data root that is away', async () => {
  await rename(`${place}/data`, `${place}/away`);
  await mkdir(`${place}/data/p1/project`, { recursive: true });
  await expect(files.sweep()).rejects.toThrow(LiveFilesError);
  await expect(files.beginWrite('p1', 'project/new', { size: 1 })).rejects.toThrow(LiveFilesError);
  expect(await readdir(`${place}/data`)).toEqual(['p1']);
});

describe('listing', () => {
  it('shows both roots for the empty path and for /, and nothing else of the project folder', async () => {
    await writeFile(`${place}/data/p1/other`, '');
    for (const path of ['', '/']) {
      const { entries } = await files.list('p1', path);
      expect(entries.map(({ name, type }) => [name, type])).toEqual([
        ['persist', 'folder'],
        ['project', 'folder'],
      ]);
    }
  });

  it('tells name, type, size, time and mode, without following links', async () => {
    await writeFile(`${home}/file`, 'hello');
    await chmod(`${home}/file`, 0o4751);
    await run('touch', ['-d', '@-1.5', `${home}/file`]);
    await mkdir(`${home}/folder`);
    await symlink('/etc', `${home}/link`);
    await run('mkfifo', [`${home}/pipe`]);
    const { entries, nextCursor } = await files.list('p1', 'project');
    expect(nextCursor).toBeUndefined();
    expect(entries).toMatchObject([
      { name: 'file', type: 'file', size: 5, mode: 0o4751, mtime: '1969-12-31T23:59:58.500Z' },
      { name: 'folder', type: 'folder' },
      { name: 'link', type: 'link' },
      { name: 'pipe', type: 'fifo' },
    ]);
    expect(await files.stat('p1', 'project/file')).toEqual(entries[0]);
  });

  it('gives names that are not UTF-8 in a form that can be given back', async () => {
    await writeFile(Buffer.concat([Buffer.from(`${home}/`), Buffer.from('f\xfcr\\', 'latin1')]), 'found');
    const { entries } = await files.list('p1', 'project');
    expect(entries[0]!.name).toBe('f\\xfcr\\x5c');
    expect(String(await readAll(`project/${entries[0]!.name}`))).toBe('found');
    await files.remove('p1', `project/${entries[0]!.name}`);
    expect(await readdir(home)).toEqual([]);
  });

  it('pages through a folder in the order of the names, each name once', async () => {
    const names = Array.from({ length: 57 }, (_, index) => `n${index}`);
    await Promise.all(names.map((name) => writeFile(`${home}/${name}`, '')));
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await files.list('p1', 'project', { limit: 10, cursor });
      expect(page.entries.length).toBeLessThanOrEqual(10);
      seen.push(...page.entries.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(names.sort());
  });

  it('never gives more than a page, whatever the limit asked for', async () => {
    await Promise.all(Array.from({ length: PAGE_LIMIT + 1 }, (_, index) => writeFile(`${home}/${index}`, '')));
    const page = await files.list('p1', 'project', { limit: 1e9 });
    expect(page.entries).toHaveLength(PAGE_LIMIT);
    expect(page.nextCursor).toBeDefined();
  });

  it('refuses cursors and limits that are none', async () => {
    for (const cursor of ['', 'ä', '=', 'YQ==', 'x'.repeat(1000)]) {
      expect(await refused(files.list('p1', 'project', { cursor }))).toBe('bad-cursor');
    }
    for (const limit of [0, -1, 1.5, NaN])
      expect(await refused(files.list('p1', 'project', { limit }))).toBe('bad-range');
  });

  it('names what stands in the way', async () => {
    await writeFile(`${home}/file`, '');
    expect(await refused(files.list('p1', 'project/nothing'))).toBe('file-not-found');
    expect(await refused(files.list('p1', 'project/file'))).toBe('not-a-folder');
    expect(await refused(files.list('p1', 'project/file/below'))).toBe('not-a-folder');
    expect(await refused(files.list('p2', ''))).toBe('project-folder-missing');
    for (const id of ['', '.', '..', '../p1', '.buckets', 'P1', 'p1/project', 'x'.repeat(64), 'p1\n']) {
      expect(await refused(files.list(id, 'project'))).toBe('bad-project-id');
    }
  });
});

describe('reading', () => {
  it('gives a file in parts, each of the same version', async () => {
    const content = Buffer.alloc(2.5 * PART_BYTES, 'abcdefg');
    await writeFile(`${home}/file`, content);
    expect((await readAll('project/file')).equals(content)).toBe(true);
    const part = await files.read('p1', 'project/file', { offset: 3, length: 4 });
    expect(part).toMatchObject({ bytes: Buffer.from('defg'), size: content.length, eof: false });
    const end = await files.read('p1', 'project/file', { offset: content.length + 5, length: 4 });
    expect(end).toMatchObject({ bytes: Buffer.alloc(0), eof: true });
  });

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['grew', (path) => appendFile(path, 'x')],
    ['was written again in place', (path) => writeFile(path, 'other')],
    ['was cut', (path) => truncate(path, 1)],
    [
      'was replaced by one of the same length and time',
      async (path) => {
        await run('cp', ['-a', path, `${path}.new`]);
        await rename(`${path}.new`, path);
      },
    ],
  ])('refuses the next part of a file that %s', async (_, change) => {
    await writeFile(`${home}/file`, 'hello');
    const { token } = await files.read('p1', 'project/file', { offset: 0, length: 2 });
    expect((await files.read('p1', 'project/file', { offset: 2, length: 2, expect: token })).token).toBe(token);
    await change(`${home}/file`);
    expect(await refused(files.read('p1', 'project/file', { offset: 2, length: 2, expect: token }))).toBe(
      'changed-while-reading',
    );
  });

  it('refuses what has no content, at once: a FIFO does not hang it', async () => {
    await run('mkfifo', [`${home}/pipe`]);
    await run('python3', [
      '-c',
      'import os,socket; os.chdir(os.sys.argv[1]); socket.socket(socket.AF_UNIX).bind("socket")',
      home,
    ]);
    await mkdir(`${home}/folder`);
    const part = { offset: 0, length: 10 };
    expect(await refused(files.read('p1', 'project/pipe', part))).toBe('not-a-regular-file');
    expect(await refused(files.read('p1', 'project/socket', part))).toBe('not-a-regular-file');
    expect(await refused(files.read('p1', 'project/folder', part))).toBe('is-a-folder');
    expect(await refused(files.read('p1', 'project', part))).toBe('is-a-folder');
    expect(await refused(files.read('p1', 'project/nothing', part))).toBe('file-not-found');
  });

  asRoot('refuses devices without touching them', async () => {
    await run('mknod', [`${home}/zero`, 'c', '1', '5']);
    expect(await refused(files.read('p1', 'project/zero', { offset: 0, length: 10 }))).toBe('not-a-regular-file');
  });

  it('reads up to 8 MiB and refuses one byte more', async () => {
    await truncate(await made('limit'), LIVE_FILE_BYTES);
    await truncate(await made('over'), LIVE_FILE_BYTES + 1);
    expect(await readAll('project/limit')).toHaveLength(LIVE_FILE_BYTES);
    expect(await refused(files.read('p1', 'project/over', { offset: 0, length: 1 }))).toBe('file-too-large');
  });

  it('refuses ranges that are none, or too long for one part', async () => {
    await writeFile(`${home}/file`, 'hello');
    for (const [offset, length] of [
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [0, NaN],
      [0, PART_BYTES + 1],
      [2 ** 60, 1],
    ] as const) {
      expect(await refused(files.read('p1', 'project/file', { offset, length }))).toBe('bad-range');
    }
  });

  async function made(name: string): Promise<string> {
    await writeFile(`${home}/${name}`, '');
    return `${home}/${name}`;
  }
});

describe('links', () => {
  beforeEach(async () => {
    await mkdir(`${home}/folder`);
    await writeFile(`${home}/folder/file`, 'inside');
    await symlink(`${place}/outside`, `${home}/to-file`);
    await symlink(place, `${home}/to-folder`);
    await symlink('folder', `${home}/inside`);
    await symlink('nothing', `${home}/dangling`);
    await symlink('loop', `${home}/loop`);
  });

  it.each([
    'to-file',
    'to-folder',
    'to-folder/outside',
    'inside',
    'inside/file',
    'dangling',
    'dangling/a',
    'loop',
    'loop/a',
  ])('are followed by nothing: %s', async (path) => {
    const target = `project/${path}`;
    expect(await refused(files.list('p1', target))).toBe('path-is-a-link');
    expect(await refused(files.stat('p1', target))).toBe('path-is-a-link');
    expect(await refused(files.read('p1', target, { offset: 0, length: 1 }))).toBe('path-is-a-link');
    expect(await refused(files.beginWrite('p1', target, { size: 1 }))).toBe('path-is-a-link');
    expect(await refused(files.beginWrite('p1', target, { size: 1, createFolders: true }))).toBe('path-is-a-link');
    expect(await refused(files.remove('p1', target))).toBe('path-is-a-link');
    expect(await refused(files.remove('p1', target, { recursive: true }))).toBe('path-is-a-link');
    expect(changes).toEqual([]);
  });

  it('are not followed where a root, or the project itself, is one', async () => {
    await rename(`${place}/data/p1`, `${place}/data/p2`);
    await symlink('p2', `${place}/data/p1`);
    expect(await refused(files.list('p1', 'project'))).toBe('path-is-a-link');
    await rename(`${place}/data/p2/persist`, `${place}/elsewhere`);
    await symlink(`${place}/elsewhere`, `${place}/data/p2/persist`);
    expect(await refused(files.list('p2', 'persist'))).toBe('path-is-a-link');
  });
});

describe('writing', () => {
  it('puts a file in its place, complete, and counts the change before and after', async () => {
    const content = Buffer.alloc(1.5 * PART_BYTES, 'xyz');
    const entry = await write('project/new', content);
    expect(entry).toMatchObject({ name: 'new', type: 'file', size: content.length, mode: 0o644 });
    expect((await readFile(`${home}/new`)).equals(content)).toBe(true);
    expect(changes).toEqual(['p1', 'p1']);
    expect(await readdir(uploads)).toEqual([]);
  });

  it('shows nothing of it before the change is counted', async () => {
    await writeFile(`${home}/file`, 'old');
    const seen: string[] = [];
    const watched = new LiveFiles({
      dataRoot: `${place}/data`,
      uploadsFolder: uploads,
      onChange: async () => void seen.push(await readFile(`${home}/file`, 'utf8')),
    });
    const upload = await watched.beginWrite('p1', 'project/file', { size: 3 });
    await watched.writeChunk(upload, 0, Buffer.from('new'));
    await watched.commitWrite(upload, { sha256: sha256('new') });
    expect(seen).toEqual(['old', 'new']);
  });

  it('changes nothing when the change cannot be counted', async () => {
    await writeFile(`${home}/file`, 'old');
    const onChange = () => Promise.reject(new Error('no counter'));
    const broken = new LiveFiles({ dataRoot: `${place}/data`, uploadsFolder: uploads, onChange });
    const upload = await broken.beginWrite('p1', 'project/file', { size: 0 });
    expect(await refused(broken.commitWrite(upload, { sha256: sha256('') }))).toBe('storage-failed');
    expect(await refused(broken.remove('p1', 'project/file'))).toBe('storage-failed');
    expect(await readFile(`${home}/file`, 'utf8')).toBe('old');
  });

  it('takes parts in any order and more than once', async () => {
    const upload = await files.beginWrite('p1', 'project/file', { size: 6 });
    await Promise.all([
      files.writeChunk(upload, 4, Buffer.from('ef')),
      files.writeChunk(upload, 0, Buffer.from('abcd')),
      files.writeChunk(upload, 2, Buffer.from('cd')),
    ]);
    await files.commitWrite(upload, { sha256: sha256('abcdef') });
    expect(await readFile(`${home}/file`, 'utf8')).toBe('abcdef');
  });

  it('keeps the mode of a file that was there, without setuid and setgid, and the content of its other names', async () => {
    await writeFile(`${home}/file`, 'old');
    await chmod(`${home}/file`, 0o6710);
    await link(`${home}/file`, `${home}/other-name`);
    await write('project/file', 'new', { mode: 0o777 });
    expect((await lstat(`${home}/file`)).mode & 0o7777).toBe(0o710);
    expect(await readFile(`${home}/other-name`, 'utf8')).toBe('old');
  });

  asRoot(
    'keeps the access list and the extended attributes of a file that was there, but no capabilities',
    async () => {
      await writeFile(`${home}/file`, 'old');
      await chown(`${home}/file`, 4321, 8765);
      await chmod(`${home}/file`, 0o4640);
      await setAttributes(`${home}/file`);
      const before = await attributesOf(`${home}/file`);
      expect(Object.keys(before).toSorted()).toEqual([
        'security.capability',
        'system.posix_acl_access',
        'trusted.trial',
        'user.trial',
      ]);
      await write('project/file', 'new');
      const { 'security.capability': _, ...kept } = before;
      expect(await attributesOf(`${home}/file`)).toEqual(kept);
      // The access list has widened the group's bits: they are its mask.
      expect((await lstat(`${home}/file`)).mode & 0o7777).toBe(0o660);
      expect(await lstat(`${home}/file`)).toMatchObject({ uid: 4321, gid: 8765 });
      expect(await readFile(`${home}/file`, 'utf8')).toBe('new');
    },
  );

  it('keeps an extended attribute also where the file has nothing else to keep, and gives a new file none', async () => {
    await writeFile(`${home}/file`, 'old');
    await run('python3', ['-c', SET, `${home}/file`, '{"user.trial": "6869"}']);
    await write('project/file', 'new');
    await write('project/other', 'new');
    expect(await attributesOf(`${home}/file`)).toEqual({ 'user.trial': '6869' });
    expect(await attributesOf(`${home}/other`)).toEqual({});
  });

  asRoot('leaves a file as it was when what belongs to it cannot be kept', async () => {
    await writeFile(`${home}/file`, 'old');
    await run('python3', ['-c', SET, `${home}/file`, '{"user.trial": "6869"}']);
    const { PATH: path } = process.env;
    const tools = `${place}/tools`;
    await mkdir(tools);
    await writeFile(`${tools}/cp`, '#!/bin/sh\necho "cp: setting attribute: Operation not permitted" >&2; exit 1\n');
    await chmod(`${tools}/cp`, 0o755);
    process.env['PATH'] = `${tools}:${path}`;
    try {
      expect(await refused(write('project/file', 'new'))).toBe('access-denied');
    } finally {
      process.env['PATH'] = path;
    }
    expect(await readFile(`${home}/file`, 'utf8')).toBe('old');
    expect(changes).toEqual([]);
  });

  asRoot('keeps the owner of a file that was there; a new one belongs to the owner of its folder', async () => {
    await mkdir(`${home}/theirs`);
    await chown(`${home}/theirs`, 1234, 5678);
    await writeFile(`${home}/theirs/old`, '');
    await chown(`${home}/theirs/old`, 4321, 8765);
    await write('project/theirs/old', 'x');
    await write('project/theirs/new', 'x');
    await write('project/theirs/a/b/c', 'x', { createFolders: true });
    expect(await lstat(`${home}/theirs/old`)).toMatchObject({ uid: 4321, gid: 8765 });
    for (const made of ['new', 'a', 'a/b', 'a/b/c']) {
      expect(await lstat(`${home}/theirs/${made}`)).toMatchObject({ uid: 1234, gid: 5678 });
    }
  });

  it('makes the folders above it only when asked to', async () => {
    expect(await refused(files.beginWrite('p1', 'project/a/b/c', { size: 1 }))).toBe('file-not-found');
    await Promise.all(['c', 'd', 'e'].map((name) => write(`project/a/b/${name}`, name, { createFolders: true })));
    expect((await readdir(`${home}/a/b`)).sort()).toEqual(['c', 'd', 'e']);
    expect((await lstat(`${home}/a`)).mode & 0o7777).toBe(0o755);
    expect(await readdir(uploads)).toEqual([]);
  });

  it('makes so many of them at most, also below those that are deep', async () => {
    const deep = (folders: number) => `project/${'a/'.repeat(folders)}x`;
    expect(await refused(write(deep(FOLDERS_AT_ONCE + 1), 'x', { createFolders: true }))).toBe('bad-path');
    for (const folders of [FOLDERS_AT_ONCE, 2 * FOLDERS_AT_ONCE, 2_000]) {
      const writing = write(deep(folders), 'x', { createFolders: true });
      if (folders < 2_000) await writing;
      else expect(await refused(writing)).toBe('bad-path');
    }
  });

  it('never makes a root or a project', async () => {
    await rm(`${place}/data/p1/persist`, { recursive: true });
    const upload = await files.beginWrite('p1', 'persist/a/b', { size: 0, createFolders: true });
    expect(await refused(files.commitWrite(upload, { sha256: sha256('') }))).toBe('file-not-found');
    expect(await refused(files.beginWrite('p2', 'project/a', { size: 0, createFolders: true }))).toBe(
      'project-folder-missing',
    );
    expect(await readdir(`${place}/data`)).toEqual(['.buckets', 'p1']);
    expect(await readdir(`${place}/data/p1`)).toEqual(['project']);
  });

  it('refuses what is not what was announced, and leaves the file as it was', async () => {
    await writeFile(`${home}/file`, 'old');
    for (const [sent, hash] of [
      ['new', sha256('NEW')],
      ['ne', sha256('new')],
      ['', sha256('')],
    ] as const) {
      const upload = await files.beginWrite('p1', 'project/file', { size: 3 });
      await files.writeChunk(upload, 0, Buffer.from(sent));
      expect(await refused(files.commitWrite(upload, { sha256: hash }))).toBe('upload-differs');
      expect(await refused(files.commitWrite(upload, { sha256: hash }))).toBe('upload-unknown');
    }
    expect(await readFile(`${home}/file`, 'utf8')).toBe('old');
    expect(changes).toEqual([]);
    expect(await readdir(uploads)).toEqual([]);
  });

  it('refuses what it cannot replace', async () => {
    await mkdir(`${home}/folder`);
    await run('mkfifo', [`${home}/pipe`]);
    expect(await refused(files.beginWrite('p1', 'project/folder', { size: 1 }))).toBe('is-a-folder');
    expect(await refused(files.beginWrite('p1', 'project/pipe', { size: 1 }))).toBe('not-a-regular-file');
    expect(await refused(files.beginWrite('p1', 'project', { size: 1 }))).toBe('bad-path');
    expect(await refused(files.beginWrite('p1', '', { size: 1 }))).toBe('bad-path');
    const upload = await files.beginWrite('p1', 'project/later', { size: 0 });
    await mkdir(`${home}/later`);
    expect(await refused(files.commitWrite(upload, { sha256: sha256('') }))).toBe('is-a-folder');
  });

  it('refuses sizes, modes and parts outside the limits', async () => {
    expect(await refused(files.beginWrite('p1', 'project/a', { size: LIVE_FILE_BYTES + 1 }))).toBe('file-too-large');
    for (const size of [-1, 0.5, NaN])
      expect(await refused(files.beginWrite('p1', 'project/a', { size }))).toBe('bad-range');
    expect(await refused(files.beginWrite('p1', 'project/a', { size: 1, mode: 0o4755 }))).toBe('bad-range');
    const upload = await files.beginWrite('p1', 'project/a', { size: 3 });
    for (const offset of [-1, 1, 0.5, NaN, 2 ** 60]) {
      expect(await refused(files.writeChunk(upload, offset, Buffer.from('abc')))).toBe('bad-range');
    }
    expect(await refused(files.writeChunk('no-upload', 0, Buffer.from('abc')))).toBe('upload-unknown');
  });

  it('bounds the uploads that are open, and forgets those that are aborted or rest for too long', async () => {
    const begin = () => files.beginWrite('p1', 'project/a', { size: 1 });
    const opened = [];
    for (let count = 0; count < OPEN_UPLOADS; count += 1) opened.push(await begin());
    expect(await refused(begin())).toBe('too-busy');
    await files.abortWrite(opened[0]!);
    await files.abortWrite(opened[0]!);
    expect(await refused(begin())).toBe('nothing');
    // What an earlier process left, long ago and just now.
    await writeFile(`${uploads}/upload-old`, '');
    const longAgo = (Date.now() - 2 * UPLOAD_REST_MS) / 1000;
    await utimes(`${uploads}/upload-old`, longAgo, longAgo);
    await writeFile(`${uploads}/upload-young`, '');
    expect(await files.sweep()).toEqual({ uploadsRemoved: 1, removalsLeft: [] });
    expect(await readdir(uploads)).toHaveLength(OPEN_UPLOADS + 1);
  });
});

describe('removing', () => {
  it('removes a file, whatever its kind, and counts the change', async () => {
    await writeFile(`${home}/file`, '');
    await run('mkfifo', [`${home}/pipe`]);
    await files.remove('p1', 'project/file');
    await files.remove('p1', 'project/pipe');
    expect(await readdir(home)).toEqual([]);
    expect(changes).toEqual(['p1', 'p1', 'p1', 'p1']);
  });

  it('removes a folder only when asked to, with all that is in it and nothing that its links point to', async () => {
    await mkdir(`${home}/folder/a/b`, { recursive: true });
    await writeFile(`${home}/folder/a/b/file`, '');
    await writeFile(Buffer.concat([Buffer.from(`${home}/folder/a/`), Buffer.from([0xff, 0x0a])]), '');
    await mkdir(`${place}/outer`);
    await writeFile(`${place}/outer/kept`, 'kept');
    await symlink(`${place}/outer`, `${home}/folder/link`);
    await symlink(`${place}/outer`, `${home}/folder/a/link`);
    await mkdir(`${home}/folder/closed/inner`, { recursive: true });
    await chmod(`${home}/folder/closed/inner`, 0);
    await chmod(`${home}/folder/closed`, 0o500);
    expect(await refused(files.remove('p1', 'project/folder'))).toBe('is-a-folder');
    await expect(files.remove('p1', 'project/folder')).rejects.toThrow('recursive=true');
    expect(changes).toEqual([]);
    await files.remove('p1', 'project/folder', { recursive: true });
    expect(await readdir(home)).toEqual([]);
    expect(await readdir(uploads)).toEqual([]);
    expect(await readFile(`${place}/outer/kept`, 'utf8')).toBe('kept');
  });

  it('removes a folder that is nested deeper than any path could reach', async () => {
    const nest = 'import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(50): os.mkdir("x" * 200); os.chdir("x" * 200)';
    await mkdir(`${home}/deep`);
    await run('python3', ['-c', nest, `${home}/deep`]);
    await files.remove('p1', 'project/deep', { recursive: true });
    expect(await readdir(home)).toEqual([]);
    expect(await readdir(uploads)).toEqual([]);
  });

  it('refuses the roots, the project and what is not there', async () => {
    for (const path of ['', '/', 'project', 'persist']) {
      expect(await refused(files.remove('p1', path, { recursive: true }))).toBe('bad-path');
    }
    expect(await refused(files.remove('p1', 'project/nothing', { recursive: true }))).toBe('file-not-found');
    expect(changes).toEqual([]);
  });

  it('leaves what is too much for one call to the sweep, out of the project at once', async () => {
    await mkdir(`${home}/a/b`, { recursive: true });
    await Promise.all(Array.from({ length: 30 }, (_, index) => writeFile(`${home}/a/b/${index}`, '')));
    await mkdir(uploads, { recursive: true });
    const removals = new Removals(uploads, 12);
    const taken = await removals.takeAway(Buffer.from(`${home}/a`));
    expect(await readdir(home)).toEqual([]);
    expect(await removals.finish(taken)).toBe(false);
    while ((await removals.sweep()).length > 0) expect(await readdir(uploads)).toEqual([taken]);
    expect(await readdir(uploads)).toEqual([]);
  });

  it('finishes at the next sweep what an earlier process left', async () => {
    await mkdir(`${uploads}/removed-before/top/a`, { recursive: true });
    await writeFile(`${uploads}/removed-before/top/a/file`, '');
    expect(await files.sweep()).toEqual({ uploadsRemoved: 0, removalsLeft: [] });
    expect(await readdir(uploads)).toEqual([]);
  });
});

describe('many calls', () => {
  it('at once are bounded: those beyond the limit are refused, and the next ones get through', async () => {
    const calls = Array.from({ length: CALLS_AT_ONCE + 10 }, () => refused(files.list('p1', '')));
    const answers = await Promise.all(calls);
    expect(answers.filter((answer) => answer === 'too-busy')).toHaveLength(10);
    expect(await refused(files.list('p1', ''))).toBe('nothing');
  });

  it('leave no file open, whether they succeed or fail', async () => {
    await writeFile(`${home}/file`, 'x');
    await symlink('file', `${home}/link`);
    const round = async () => {
      await files.list('p1', 'project');
      await files.read('p1', 'project/file', { offset: 0, length: 1 });
      await write('project/a/b', 'x', { createFolders: true });
      await files.remove('p1', 'project/a', { recursive: true });
      for (const path of ['link', 'link/a', 'file/a', 'nothing/a'])
        await refused(files.remove('p1', `project/${path}`));
    };
    await round();
    const before = await openBelow(place);
    for (let index = 0; index < 20; index += 1) await round();
    expect(await openBelow(place)).toEqual(before);
  });

  async function openBelow(folder: string): Promise<string[]> {
    const open = await readdir('/proc/self/fd');
    const targets = await Promise.all(open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    return targets.filter((target) => target.startsWith(folder));
  }
});
