import { availableParallelism, totalmem } from 'node:os';
import { natsSettings } from '@buckets/log';
import { serviceSettings } from '@buckets/service';
import {
  boolean,
  bytes,
  command,
  defineSettings,
  duration,
  filePath,
  integer,
  string,
  type SettingsOf,
} from '@buckets/settings';

export const workerSettings = defineSettings({
  ...serviceSettings,
  ...natsSettings("The host's NATS credentials, as POST /v1/hosts/:id/credentials gives them"),
  hostId: string('BUCKETS_HOST_ID', { describe: 'The host that this worker serves', example: 'host-1' }),
  dataRoot: filePath('BUCKETS_DATA_ROOT', { describe: 'The folder that holds a folder for each project' }),
  rusticPath: filePath('BUCKETS_RUSTIC_PATH', { describe: 'The rustic program, 0.11.4' }),
  cpus: integer('BUCKETS_WORKER_CPUS', {
    default: availableParallelism(),
    min: 1,
    max: 1024,
    describe: 'Backups and restores that may run at once, one processor each',
  }),
  memoryBytes: bytes('BUCKETS_WORKER_MEMORY', {
    default: `${Math.max(1024, Math.floor(totalmem() / 2 ** 21))}MiB`,
    describe: 'Memory that all rustic processes together may be expected to take',
  }),
  unconfined: boolean('BUCKETS_UNCONFINED', {
    default: false,
    describe:
      'Whether a worker that runs as root may back up without a mount namespace, where the machine allows none: ' +
      "a link that a tenant swaps in while it is read then brings other people's files into the tenant's backup",
  }),
  niceness: integer('BUCKETS_RUSTIC_NICENESS', {
    default: 10,
    min: 0,
    max: 19,
    describe: 'How far rustic stands back for what else wants a processor of the host, as for nice(1)',
  }),
  startHook: command('BUCKETS_START_HOOK', {
    optional: true,
    describe: 'Run when a project starts, with BUCKETS_PROJECT_ID, BUCKETS_PROJECT_HOME and BUCKETS_PROJECT_PERSIST',
  }),
  stopHook: command('BUCKETS_STOP_HOOK', { optional: true, describe: 'Run when a project stops, with the same' }),
  hookMs: duration('BUCKETS_HOOK_LIMIT', { default: '5m', min: '1s', describe: 'How long a hook may take' }),
  snapshotBefore: command('BUCKETS_SNAPSHOT_BEFORE', {
    optional: true,
    describe:
      'Run before a backup of a running project reads, to freeze it or make a file-system snapshot; ' +
      'what it prints, if anything, is the folder with project/ and persist/ to read instead',
  }),
  snapshotAfter: command('BUCKETS_SNAPSHOT_AFTER', {
    optional: true,
    describe: 'Run after it, whatever became of the backup, to thaw or to remove the snapshot',
  }),
  scanEveryMs: duration('BUCKETS_SCAN_INTERVAL', {
    default: '15m',
    min: '1s',
    describe:
      "How often each project's files are looked through for changes that no watcher saw; those of a project that " +
      'cannot be watched at least every 5 minutes. What was not looked through for three times as long is not fresh',
  }),
  maxWatchedFolders: integer('BUCKETS_MAX_WATCHED_FOLDERS', {
    default: 30_000,
    min: 1,
    max: 10_000_000,
    describe:
      'Folders that are watched for changes at most, each for 3 kB; projects beyond are looked through instead. ' +
      'The kernel has a limit of its own: fs.inotify.max_user_watches',
  }),
  heartbeatMs: duration('BUCKETS_HEARTBEAT', { default: '5s', min: '100ms', describe: 'How often the host reports' }),
  trashKeepMs: duration('BUCKETS_TRASH_KEEP', {
    default: '1h',
    min: '0s',
    describe: 'How long data that a restore has replaced are kept on the host',
  }),
});

export type WorkerSettings = SettingsOf<typeof workerSettings>;
