import { existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

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
  private constructor(
    private readonly root: string,
    private readonly machine: readonly View[],
  ) {}

  /**
   * @param folder of the worker alone; what is made in it are mount points
   * @returns the reason, in words for people, where the machine does not allow it
   */
  static async in(folder: string, program: string): Promise<Confinement | string> {
    if (process.geteuid?.() !== 0) return 'the worker does not run as root';
    const root = join(folder, 'root');
    await mkdir(root, { recursive: true, mode: 0o755 });
    const machine: View[] = [{ from: program, at: INSIDE.program }];
    for (const path of MACHINE) {
      const found = lstatSync(path, { throwIfNoEntry: false });
      // On most machines /lib is a link into /usr.
      if (found?.isSymbolicLink() === true && dirname(path) === '/') {
        await linkOnce(readlinkSync(path), join(root, path));
      } else if (existsSync(path)) machine.push({ from: path, at: path });
    }
    for (const at of new Set([...machine.map(({ at }) => at), ...Object.values(INSIDE)])) {
      const isFile = machine.some((view) => view.at === at && statSync(view.from).isFile());
      await mkdir(isFile ? dirname(join(root, at)) : join(root, at), { recursive: true });
      if (isFile) await writeFile(join(root, at), '');
    }
    // All that rustic asks /proc for is its own path.
    await mkdir(join(root, 'proc/self'), { recursive: true });
    await linkOnce(INSIDE.program, join(root, 'proc/self/exe'));
    const confinement = new Confinement(root, machine);
    return (await confinement.whyNot(folder)) ?? confinement;
  }

  /**
   * What comes before rustic's own arguments, the program included.
   *
   * @param table where to write the table of mounts: in the folder of the run
   */
  async launcher(table: string, views: readonly View[]): Promise<string[]> {
    const lines = [...this.machine, ...views].map((view) => mountLine(view, this.root));
    await writeFile(table, lines.join(''), { mode: 0o600 });
    return [...OWN_MOUNTS, table, this.root, INSIDE.program];
  }

  /** Tries it: a program runs, and a link in what belongs to a tenant is not followed, even by root. */
  private async whyNot(folder: string): Promise<string | undefined> {
    const trial = await mkdtemp(join(folder, 'trial-'));
    try {
      await writeFile(join(trial, 'secret'), '');
      await symlink('secret', join(trial, 'link'));
      const table = join(folder, 'trial-mounts');
      await this.launcher(table, [{ from: trial, at: INSIDE.source, tenants: true }]);
      const look = async (...command: string[]) =>
        execa('unshare', [...OWN_MOUNTS.slice(1), table, this.root, ...command], {
          reject: false,
          timeout: 10_000,
          stdin: 'ignore',
        });
      const ran = await look('cat', `${INSIDE.source}/secret`);
      if (ran.failed)
        return `mount namespaces cannot be had (${String(ran.stderr || ran.shortMessage)
          .trim()
          .slice(0, 500)})`;
      const { failed } = await look('cat', `${INSIDE.source}/link`);
      return failed ? undefined : 'the kernel follows links on a mount with nosymfollow (Linux 5.10 and newer do not)';
    } finally {
      await rm(trial, { recursive: true, force: true });
    }
  }
}

async function linkOnce(target: string, path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) await symlink(target, path);
}

/** All mounts of the table are made by one process; they go with the last process that sees them. */
const OWN_MOUNTS = [
  'unshare',
  '--mount',
  '--propagation=private',
  '--',
  'sh',
  '-euc',
  'mount --all --fstab="$1"; root=$2; shift 2; exec chroot "$root" "$@"',
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
