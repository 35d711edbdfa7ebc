import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { findTool } from '@buckets/real-parts';
import { FolderStore, openRepository } from '@buckets/repository';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { LocalAccess } from './access.js';
import { Confinement, INSIDE, type View } from './confinement.js';
import { PATIENT, TestBench } from './testing/bench.js';

jest.setTimeout(120_000);

const SECRET = 'SECRET OF SOMEBODY ELSE';
const confinement = await Confinement.of(await findTool('rustic'), join(tmpdir(), 'no roots yet'));
const isOurs = (await execa(await findTool('rustic'), ['--version'])).stdout.includes('+buckets.');
const confined = typeof confinement === 'string' ? describe.skip : describe;

confined('a confined run', () => {
  it('sees its program, what it is about, and what a program needs of the machine', async () => {
    await using bench = await TestBench.make();
    await bench.write('project/file', 'content');
    const view = { from: bench.root, at: INSIDE.source, tenants: true };
    const look = async (program: string, ...args: string[]) => {
      const own = await mkdtemp(bench.path('a run, with a space-'));
      const views = [view, { from: own, at: INSIDE.run }];
      const confined = (await Confinement.of(program, bench.path('roots'))) as Confinement;
      const [file, ...launcher] = await confined.launcher(own, views);
      return execa(file!, [...launcher, ...args], { reject: false });
    };
    const { stdout } = await look('/usr/bin/find', '/', '-maxdepth', '2', '-not', '-path', '/usr/*');
    const seen = stdout.split('\n').filter((path) => !/^\/(lib|usr|etc|proc)/.test(path));
    expect(seen.toSorted()).toEqual([
      '/',
      '/run',
      '/run/mounts',
      '/rustic',
      '/source',
      '/source/persist',
      '/source/project',
    ]);
    expect((await look('/usr/bin/cat', '/etc/shadow')).stderr).toContain('No such file');
    expect((await look('/usr/bin/cat', `${INSIDE.source}/project/file`)).stdout).toBe('content');
    expect((await look('/usr/bin/touch', `${INSIDE.source}/project/file`)).stderr).toContain('Read-only file system');
  });

  it('finds nothing that another run has left in its root, nor what another has been given', async () => {
    await using bench = await TestBench.make();
    const confined = (await Confinement.of('/usr/bin/bash', bench.path('roots'))) as Confinement;
    const look = async (views: readonly View[], script: string) => {
      const own = await mkdtemp(bench.path('run-'));
      const [file, ...launcher] = await confined.launcher(own, [
        { from: own, at: INSIDE.run, writable: true },
        ...views,
      ]);
      return execa(file!, [...launcher, '-c', script], { reject: false });
    };
    const source = { from: bench.root, at: INSIDE.source, tenants: true };
    const gone = { from: bench.path('gone'), at: INSIDE.source, tenants: true };
    // The first ones all make their root at once.
    const first = await Promise.all(
      [1, 2, 3].map(() => look([source], 'ls /source; echo here > /run/left; echo x > /left')),
    );
    for (const { stdout, stderr } of first)
      expect([stdout, stderr]).toEqual(['persist\nproject', expect.stringContaining('Read-only')]);
    expect((await look([source], 'ls / /run')).stdout).not.toContain('left');
    for (const views of [[], [gone]]) expect((await look(views, 'ls /source')).stderr).toContain('No such file');
    const roots = await readdir(bench.path('roots'));
    expect(roots).toHaveLength(2);
    // Whatever takes it away meanwhile, the next run finds its root whole.
    for (const root of roots) await rm(join(bench.path('roots'), root, 'source'), { recursive: true, force: true });
    expect((await look([source], 'ls /source')).stdout).toBe('persist\nproject');
  });

  it.each(['file', 'folder'] as const)('never reads what a link leads to that took the place of a %s', async (kind) => {
    await using bench = await TestBench.make();
    const elsewhere = bench.path('elsewhere');
    await mkdir(join(elsewhere, 'inner'), { recursive: true });
    await writeFile(join(elsewhere, 'inner', 'f'), SECRET);
    for (let n = 0; n < 100; n++) {
      await bench.write(kind === 'file' ? `project/f${n}` : `project/d${n}/inner/f`, 'mine, of the same size!');
    }
    const access = await bench.repository();
    const tenant = swapping(kind, bench.root, kind === 'file' ? join(elsewhere, 'inner', 'f') : elsewhere);
    try {
      for (let round = 0; round < 6; round++) {
        const made = await bench.rustic().backup(access, bench.order(), PATIENT);
        expect(['succeeded', 'partial']).toContain(made.outcome);
      }
    } finally {
      tenant.kill('SIGKILL');
      await once(tenant, 'exit');
    }
    const { files, withSecret } = await search(access);
    expect(files).toBeGreaterThan(300);
    expect(withSecret).toEqual([]);
  });

  it('reads what is mounted below the project, and follows no link there either', async () => {
    await using bench = await TestBench.make();
    await bench.write('secret', SECRET);
    const [inner, mounted] = [bench.path('inner'), join(bench.root, 'project', 'mounted here')];
    await mkdir(inner);
    await mkdir(mounted);
    await writeFile(join(inner, 'file'), 'mounted content');
    await symlink(join(bench.root, 'secret'), join(inner, 'link'));
    await execa('mount', ['--bind', inner, mounted]);
    try {
      const access = await bench.repository();
      const made = await bench.rustic().backup(access, bench.order(), PATIENT);
      expect(made.outcome).toBe('succeeded');
      expect(await search(access)).toMatchObject({
        withSecret: ['secret'],
        paths: expect.arrayContaining(['project/mounted here/file']),
      });
    } finally {
      await execa('umount', [mounted]);
    }
  });

  (isOurs ? it : it.skip)('neither waits for a FIFO that took the place of a file, nor reads a device', async () => {
    await using bench = await TestBench.make();
    for (let n = 0; n < 100; n++) await bench.write(`project/f${n}`, 'a file');
    const access = await bench.repository();
    const tenant = swapping('fifo', bench.root, '');
    try {
      for (let round = 0; round < 4; round++) {
        const made = await bench.rustic().backup(access, bench.order(), { ...PATIENT, stallMs: 30_000 });
        expect(['succeeded', 'partial']).toContain(made.outcome);
      }
    } finally {
      tenant.kill('SIGKILL');
      await once(tenant, 'exit');
    }
  });
});

confined('a program that needs more of the machine', () => {
  it('is found at the start, not at the first backup', async () => {
    await using bench = await TestBench.make();
    const script = bench.path('rustic-of-ours');
    await writeFile(script, `#!/bin/sh\nexec '${await findTool('rustic')}' "$@"\n`, { mode: 0o755 });
    expect(await Confinement.of(script, bench.path('roots'))).toContain(
      'the rustic program does not run where it sees nothing but itself',
    );
  });
});

describe('where runs cannot be confined', () => {
  beforeAll(() => expect(typeof confinement === 'string' ? confinement.length : 1).toBeGreaterThan(0));

  it('the reason is told', async () => {
    const geteuid = process.geteuid!;
    process.geteuid = () => 1000;
    try {
      expect(await Confinement.of('/rustic', '/roots')).toBe('the worker does not run as root');
    } finally {
      process.geteuid = geteuid;
    }
  });
});

/** What a tenant does in its own project, over and over, while it is backed up. */
function swapping(kind: 'file' | 'folder' | 'fifo', root: string, target: string): ChildProcess {
  const script = `
import os, sys, time
root, target, kind = sys.argv[1:]
os.chdir(root)
n = 0
while True:
    if kind == 'fifo':
        for n in range(100):
            if n % 2: os.mkfifo('project/.other')
            else: os.mknod('project/.other', 0o20600, os.makedev(1, 5))
            os.rename('project/.other', f'project/f{n}')
        time.sleep(0.001)
        for n in range(100):
            with open('project/.file', 'w') as f: f.write('a file')
            os.rename('project/.file', f'project/f{n}')
        time.sleep(0.001)
        continue
    n = (n + 1) % 100
    if kind == 'folder':
        os.rename(f'project/d{n}', 'project/.away'); os.symlink(target, f'project/d{n}')
        os.unlink(f'project/d{n}'); os.rename('project/.away', f'project/d{n}')
        continue
    os.symlink(target, 'project/.other')
    os.rename('project/.other', f'project/f{n}')
    with open('project/.file', 'w') as f: f.write('mine, of the same size!')
    os.rename('project/.file', f'project/f{n}')
`;
  return spawn('python3', ['-c', script, root, target, kind], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Looks through all that all snapshots hold. */
async function search({ folder, masterKey }: LocalAccess) {
  const repository = await openRepository({ store: new FolderStore(folder), prefix: '', masterKey });
  const [paths, withSecret]: [string[], string[]] = [[], []];
  for (const snapshot of await repository.findSnapshots(() => true)) {
    for await (const { path, entry } of repository.walk(snapshot)) {
      if (entry.type !== 'file') continue;
      paths.push(path.toString());
      const content: Buffer[] = [];
      for await (const piece of repository.readFile(entry)) content.push(piece);
      if (Buffer.concat(content).includes(SECRET)) withSecret.push(path.toString());
    }
  }
  return { files: paths.length, paths, withSecret };
}
