import { execa } from 'execa';
import { existsSync } from 'node:fs';
import type { RunFolder } from '../processes/run-folders.js';

/** The folder of a run, as the run sees it. */
export type Home = Pick<RunFolder, 'path' | 'profile'>;

export interface RusticLimits {
  /** Threads for packing, hashing and requests each; rustic takes one for each processor otherwise. */
  threads?: number;
  /** 0 to 19, as for nice(1). */
  niceness?: number;
  /** As for ionice(1); only some disk schedulers heed it. */
  ioPriority?: 'low' | 'idle';
  /** How often one request to the storage is tried again. rustic's default of 5 takes up to a minute. */
  storageRetries?: number;
}

/**
 * All that a run gets to see of the environment. Its home is the run's own folder: no profile, ignore file or
 * credential of a user is ever found there.
 */
export function environmentOf(
  home: Home,
  { limits, environment }: { limits?: RusticLimits; environment?: Record<string, string> },
): Record<string, string> {
  const threads = limits?.threads === undefined ? undefined : String(limits.threads);
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: home.path,
    TMPDIR: home.path,
    TZ: 'UTC',
    // rustic takes no heed of it; each of the programs that set up a run would read a dozen files for another one.
    LANG: 'C',
    // Any value makes a panic say its reason on the error stream, in place of writing it to a file.
    RUST_BACKTRACE: '0',
    RUSTIC_USE_PROFILE: home.profile,
    ...(threads && { RAYON_NUM_THREADS: threads, TOKIO_WORKER_THREADS: threads }),
    ...certificates(),
    ...environment,
  };
}

/**
 * One bundle in place of the bundle and a folder with the same certificates once more, one file each: reading them
 * all is a third of the time of a backup without changes.
 */
function certificates(): { SSL_CERT_FILE?: string } {
  const bundle = BUNDLES.find((path) => existsSync(path));
  return bundle === undefined ? {} : { SSL_CERT_FILE: bundle };
}

const BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/ca-bundle.pem'];

/** The programs that set up a run before rustic takes their place, under the same process id. */
export async function launcherOf(limits: RusticLimits = {}): Promise<string[]> {
  const { niceness, ioPriority } = limits;
  return [
    ...((await diesWithWorker()) ? ['setpriv', '--pdeathsig', 'KILL', '--'] : []),
    ...(niceness === undefined ? [] : ['nice', '-n', String(niceness)]),
    ...(ioPriority === undefined ? [] : ['ionice', ...(ioPriority === 'idle' ? ['-c3'] : ['-c2', '-n7'])]),
  ];
}

let supported: Promise<boolean> | undefined;

/** With setpriv of util-linux a run ends with a worker that is killed; without it the next worker ends it. */
function diesWithWorker(): Promise<boolean> {
  supported ??= execa('setpriv', ['--pdeathsig', 'KILL', '--', 'true'], { reject: false, timeout: 5_000 }).then(
    ({ failed }) => !failed,
  );
  return supported;
}
