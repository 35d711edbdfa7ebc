import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { ownFolder } from '../file-system/paths.js';

/** Where a confined run finds what it may see. */
export const INSIDE = {
  program: '/rustic',
  /** What is backed up: for reading, and no link in it is followed. */
  source: '/source',
  /** What is restored into: no link in it is followed. */
  destination: '/destination',
  /** The folder of the run: its profile, its home. */
  run: '/run',
  cache: '/cache',
  /** A repository in a folder. */
  repository: '/repository',
} as const;

/** One mount of a run's own world. */
export interface View {
  readonly from: string;
  /** Where it is seen, from the run's root. */
  readonly at: string;
  /** Default false: for reading only. */
  readonly writable?: boolean;
  /** Whether it is what belongs to a tenant, so that no link in it is followed. Default false. */
  readonly tenants?: boolean;
}

/** What of the machine a program needs that looks up names and makes TLS connections. What is not there is left out. */
const MACHINE = [
  '/usr',
  '/lib',
  '/lib64',
  '/etc/ssl',
  '/etc/pki',
  '/etc/ca-certificates',
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/nsswitch.conf',
  '/etc/passwd',
  '/etc/group',
];

/**
 * Runs rustic in a mount namespace of its own, where it sees some folders of the machine for reading, its program, and
 * what the run is about. As root it would else follow whatever link a tenant puts in a file's place between the look and
 * the open; the kernel refuses that on what is mounted with `nosymfollow`, for each part of a path.
 */
export class Confinement {
  /** Links as the machine has them. All that rustic asks /proc for is its own path. */
  private readonly links: { at: string; target: string }[] = [{ at: '/proc/self/exe', target: INSIDE.program }];
  private readonly machine: View[];

  private constructor(
    program: string,
    private readonly rootsFolder: string,
  ) {
    this.machine = [{ from: program, at: INSIDE.program }];
    for (const path of MACHINE) {
      const found = lstatSync(path, { throwIfNoEntry: false });
      // On most machines /lib is a link into /usr.
      if (found?.isSymbolicLink() === true && dirname(path) === '/') {
        this.links.push({ at: path, target: readlinkSync(path) });
      } else if (existsSync(path)) {
        this.machine.push({ from: path, at: path });
      }
    }
  }

  /**
   * @param rootsFolder where the roots of runs are kept; it is made with the first run
   * @returns the reason, in words for people, where the machine does not allow it
   */
  static async of(program: string, rootsFolder: string): Promise<Confinement | string> {
    if (process.geteuid?.() !== 0) return 'the worker does not run as root';
    return (await Confinement.whyNot(program)) ?? new Confinement(program, rootsFolder);
  }

  /**
   * What comes before rustic's own arguments, the program included.
   *
   * @param folder of the run: it gets the table of mounts
   */
  async launcher(folder: string, views: readonly View[]): Promise<string[]> {
    // What is not there, rustic does not find either, and says so.
    const mounts = [...this.machine, ...views].filter(({ from }) => existsSync(from));
    const root = await this.rootFor(mounts);
    const table = join(folder, 'mounts');
    const lines = [{ from: root, at: '' }, ...mounts].map((view) => mountLine(view, root));
    await writeFile(table, lines.join(''), { mode: 0o600 });
    return [...OWN_MOUNTS, table, root, INSIDE.program];
  }

  /**
   * The folder with the points of these mounts and nothing else, which no run can write to. There is one for each choice of
   * mounts, named after it: a folder for each run took more time than to mount it all. What it lacks is made, whoever took
   * it away; it is never removed, as that would take the mounts of a run that is under way.
   */
  private async rootFor(mounts: readonly View[]): Promise<string> {
    // What is mounted below another has its mount point there.
    const points = mounts
      .filter(({ at }) => !mounts.some((other) => at.startsWith(`${other.at}/`)))
      .map(({ at, from }) => ({ at, isFile: statSync(from).isFile() }));
    const choice = createHash('sha256').update(JSON.stringify([points, this.links]));
    const root = join(this.rootsFolder, choice.digest('hex').slice(0, 32));
    if (!existsSync(root)) await ownFolder(this.rootsFolder);
    for (const { at, isFile } of points) {
      const point = join(root, at);
      if (existsSync(point)) continue;
      await mkdir(isFile ? dirname(point) : point, { recursive: true });
      if (isFile) await writeFile(point, '', { flag: 'a' });
    }
    for (const { at, target } of this.links) {
      const link = join(root, at);
      if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
      await mkdir(dirname(link), { recursive: true });
      await symlink(target, link).catch((error: unknown) => {
        // Another run was faster.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      });
    }
    return root;
  }

  /** Tries it: a program runs, and a link in what belongs to a tenant is not followed, even by root. */
  private static async whyNot(program: string): Promise<string | undefined> {
    const folder = await mkdtemp(join(tmpdir(), 'buckets-confinement-'));
    try {
      const source = join(folder, 'source');
      await mkdir(source);
      await writeFile(join(source, 'secret'), '');
      await symlink('secret', join(source, 'link'));
      const confinement = new Confinement(program, join(folder, 'roots'));
      const launcher = await confinement.launcher(folder, [{ from: source, at: INSIDE.source, tenants: true }]);
      const [file, ...args] = launcher.slice(0, -1);
      const run = (...command: string[]) =>
        execa(file!, [...args, ...command], { reject: false, timeout: 10_000, stdin: 'ignore' });
      const read = await run('cat', `${INSIDE.source}/secret`);
      if (read.failed) return `mount namespaces cannot be had (${lastWords(read)})`;
      if (!(await run('cat', `${INSIDE.source}/link`)).failed) {
        return 'the kernel follows links on a mount with nosymfollow (Linux 5.10 and newer do not)';
      }
      const version = await run(INSIDE.program, '--version');
      if (!version.failed) return undefined;
      return `the rustic program does not run where it sees nothing but itself and /usr (${lastWords(version)})`;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

function lastWords({ stderr, shortMessage = '' }: { stderr: string; shortMessage?: string }): string {
  return (stderr || shortMessage).trim().slice(-500);
}

/** All mounts of the table are made by one process; they go with the last process that sees them. */
const OWN_MOUNTS = [
  'unshare',
  '--mount',
  '--propagation=private',
  '--',
  'sh',
  '-euc',
  'mount --all --no-canonicalize --fstab="$1"; root=$2; shift 2; exec chroot "$root" "$@"',
  'sh',
];

function mountLine({ from, at, writable = false, tenants = false }: View, root: string): string {
  const options = ['bind', writable ? 'rw' : 'ro', 'nosuid', 'nodev', ...(tenants ? ['nosymfollow', 'noexec'] : [])];
  return `${field(from)} ${field(join(root, at))} none ${options.join(',')} 0 0\n`;
}

/** fstab(5): what would end a field, or begin an escape, in octal. */
function field(path: string): string {
  return path.replace(/[\s\\#]/g, (each) => `\\${each.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
