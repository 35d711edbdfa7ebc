import { join } from 'node:path';
import { Module, type DynamicModule, type OnApplicationShutdown, type Provider } from '@nestjs/common';
import type { NatsConnection } from '@nats-io/transport-node';
import { subjects, type ChangeReport } from '@buckets/contracts';
import { answer, connectToNats } from '@buckets/log';
import { Registry } from 'prom-client';
import { HealthChecks, LOGGER, Stopping, type Logger } from '@buckets/service';
import { BackupWork } from './backup/backup.js';
import { ChangeTracker } from './changes/index.js';
import { ControlPlane } from './control-plane/control-plane.js';
import { ReportNumbers } from './control-plane/report-numbers.js';
import { DataRoot } from './data-root/data-root.js';
import { ForgetWork } from './forget/forget.js';
import { Heartbeat, INCARNATION } from './heartbeat.js';
import { Hooks } from './hooks/hook.js';
import { Disk, HostFolders, ProvisionedRecords, Staging, Swap, Trash, type Inspection } from './host-data/index.js';
import { Housekeeping } from './housekeeping.js';
import { LiveFiles } from './live-files/index.js';
import { LiveFilesDesk } from './live-files/live-files-desk.js';
import { LocalProjects } from './local-projects/local-projects.js';
import { EndingNotes } from './operations/ending-notes.js';
import { IntentsController } from './operations/intents.controller.js';
import { OperationMetrics } from './operations/operation-metrics.js';
import { Operations } from './operations/operations.js';
import { RunFolders } from './processes/run-folders.js';
import { ProvisionWork } from './provision/provision.js';
import { Budget } from './queue/budget.js';
import { BackupRestore } from './restore/backup-restore.js';
import { RestoreWork } from './restore/restore.js';
import { StagedRestore } from './restore/staged-restore.js';
import { Confinement, Rustic } from './rustic/index.js';
import type { WorkerSettings } from './settings.js';
import { StartWork } from './start/start.js';
import { StopWork } from './stop/stop.js';
import { TidyWork } from './tidy/tidy.js';
import { DamageWatch } from './verify/damage-watch.js';
import { VerifyWork } from './verify/verify.js';

/** The connection to NATS, as this host. */
export const NATS = Symbol('the connection to NATS');

/** How long a look at an unmarked data root waits for the control plane. */
const MARKING_ASK_MS = 5_000;
/** What stands in a project's folder then is no business of its live files. */
const NOT_ITS_DATA: ReadonlySet<Inspection['state']> = new Set(['unrecorded-data', 'other-assignment']);

/** The worker of one host, put together. */
@Module({})
export class WorkerModule {
  static with(settings: WorkerSettings): DynamicModule {
    return {
      module: WorkerModule,
      controllers: [IntentsController],
      providers: [
        nats(settings),
        worker(settings),
        { provide: Operations, useFactory: (all: Worker) => all.operations, inject: [Worker] },
      ],
    };
  }
}

function nats({ natsUrl, natsCredsFile, hostId }: WorkerSettings): Provider {
  const [url, credsFile] = [natsUrl, natsCredsFile];
  const inboxPrefix = `_INBOX.host-${hostId}`;
  return {
    provide: NATS,
    useFactory: () => connectToNats({ url, credsFile, name: `buckets-worker-${hostId}`, inboxPrefix }),
  };
}

function worker(settings: WorkerSettings): Provider {
  return {
    provide: Worker,
    useFactory: (
      connection: NatsConnection,
      log: Logger,
      health: HealthChecks,
      stopping: Stopping,
      registry: Registry,
    ) => Worker.start(settings, connection, log, health, stopping, registry),
    inject: [NATS, LOGGER, HealthChecks, Stopping, Registry],
  };
}

/** @throws when root would have to go without */
async function confine(settings: WorkerSettings, folders: HostFolders, log: Logger): Promise<Confinement | undefined> {
  const confinement = await Confinement.of(settings.rusticPath, join(folders.own, 'roots'));
  if (typeof confinement !== 'string') return confinement;
  if (process.geteuid?.() === 0 && !settings.unconfined) {
    throw new Error(
      `Backups cannot be confined to their project: ${confinement}. As root, a worker does not back up like that: a link ` +
        "that a tenant swaps in would bring other people's files into the tenant's backup. Allow the worker mount " +
        'namespaces (in a container: the capability SYS_ADMIN, and no AppArmor profile that forbids mounts), run it as ' +
        'an ordinary user, or set BUCKETS_UNCONFINED=true if that is what you want.',
    );
  }
  log.warn({ reason: confinement }, 'Backups are not confined to their project: they see what the worker may see');
  return undefined;
}

/** Everything that lives as long as the process, in the order in which it has to begin and to end. */
class Worker implements OnApplicationShutdown {
  private constructor(
    readonly operations: Operations,
    private readonly connection: NatsConnection,
    private readonly changes: ChangeTracker,
    private readonly desk: LiveFilesDesk,
    private readonly heartbeat: Heartbeat,
    private readonly housekeeping: Housekeeping,
    private readonly dataRoot: DataRoot,
  ) {}

  static async start(
    settings: WorkerSettings,
    connection: NatsConnection,
    log: Logger,
    health: HealthChecks,
    { signal }: Stopping,
    registry: Registry,
  ): Promise<Worker> {
    const { hostId, cpus, memoryBytes, niceness, heartbeatMs, trashKeepMs, scanEveryMs, maxWatchedFolders } = settings;
    const folders = new HostFolders(settings.dataRoot);
    const disk = new Disk();
    const dataRoot: DataRoot = new DataRoot({
      hostId,
      folders,
      disk,
      assigned: (signal) => projects.assignments(signal, MARKING_ASK_MS),
      putInOrder: async () => {
        for (const records of [folders.switches, endings]) await disk.removeDrafts(records);
        await housekeeping.putInOrder({ has: isOpen });
      },
      onChange: () => void projects.lookAtAll(signal).catch(() => undefined),
      log,
    });
    const records = new ProvisionedRecords(folders, disk, dataRoot.mustBeHere);
    const swap = new Swap(folders, disk, records);
    const trash = new Trash(folders, { keepHours: trashKeepMs / 3_600_000 });
    const stagedRestore = new StagedRestore(records, new Staging(folders, disk), swap, trash, (error) =>
      log.warn({ error }, 'What a restore has left behind is removed later'),
    );
    const confinement = await confine(settings, folders, log);
    const rustic = new Rustic({
      binary: settings.rusticPath,
      ...(confinement === undefined ? {} : { confinement }),
      workFolder: join(folders.own, 'run'),
      cacheFolder: join(folders.own, 'cache'),
      limits: { niceness },
    });
    if (!(await rustic.knowsSettled())) {
      log.warn(
        { program: settings.rusticPath },
        'This rustic cannot be told which files may be left unread: each backup reads all files of its project',
      );
    }
    const endings = join(folders.own, 'endings');
    const notes = new EndingNotes(endings, disk, dataRoot.mustBeHere);

    const controlPlane = new ControlPlane(connection, hostId, log);
    const numbers = new ReportNumbers();
    const report = (projectId: string, data: ChangeReport): void => {
      const number = numbers.next(projectId);
      controlPlane.activity({ name: 'project', projectId, data: { ...data, incarnation: INCARNATION, number } });
    };
    const changes = new ChangeTracker({
      stateFolder: join(folders.own, 'changes'),
      report,
      problem: (projectId, error) =>
        log.warn({ projectId, error }, 'Changes of a project cannot be seen as they should'),
      // What is told of the project is that its data are missing, and not merely that they changed.
      rootsMoved: (projectId) => void projects.lookAgain(projectId),
      scanEveryMs,
      maxWatchedFolders,
    });
    const projects = new LocalProjects(controlPlane, folders, records, changes, log, report, () => numbers.beginAnew());
    const budget = new Budget({ cpus, memoryBytes });
    const damage = new DamageWatch(rustic, controlPlane);
    const backupRestore = new BackupRestore(stagedRestore, rustic, budget, damage, projects);
    const hooks = new Hooks(new RunFolders(join(folders.own, 'hooks')));
    const isOpen = (operationId: string) => operations.isOpen(operationId);
    const works = {
      provision: new ProvisionWork(records, projects),
      backup: damage.telling(
        new BackupWork(hostId, settings, folders, records, changes, rustic, controlPlane, budget, hooks, damage),
      ),
      restore: damage.telling(new RestoreWork(backupRestore, projects)),
      start: damage.telling(new StartWork(settings, folders, records, backupRestore, projects, hooks)),
      stop: new StopWork(settings, folders, projects, hooks),
      forget: damage.telling(new ForgetWork(rustic)),
      tidy: damage.telling(new TidyWork(rustic, controlPlane, isOpen)),
      verify: new VerifyWork(rustic, controlPlane, budget),
    };
    const files = new LiveFiles({
      dataRoot: folders.dataRoot,
      uploadsFolder: join(folders.own, 'uploads'),
      onChange: (projectId) => changes.raise(projectId, 'fs-api'),
    });
    const housekeeping = new Housekeeping(rustic, hooks, swap, stagedRestore, notes, files, dataRoot.mustBeHere, log);
    const metrics = new OperationMetrics(registry);
    const operations: Operations = new Operations(controlPlane, works, notes, metrics, log, {
      workerId: INCARNATION,
      stopping: signal,
      ready: async () => {
        await projects.learned;
        await dataRoot.here();
      },
      dataRootAwaySince: dataRoot.whyAwaySince,
    });
    metrics.watch(registry, () => operations.doing);
    const mayTouch = async (projectId: string, generation: number) =>
      projects.isHere(projectId, generation) &&
      !(await swap.hasPendingSwitch(projectId)) &&
      !NOT_ITS_DATA.has((await records.inspect(projectId, generation)).state);
    const desk = new LiveFilesDesk(connection, hostId, files, mayTouch, log);
    const heartbeat = new Heartbeat(
      heartbeatMs,
      folders.dataRoot,
      dataRoot,
      controlPlane,
      numbers,
      projects,
      operations,
      log,
    );

    health.register({ name: 'nats', check: async () => void (await connection.rtt()) });
    health.register({ name: 'assignments', check: () => projects.checkLearned() });
    health.register({ name: 'dataRoot', check: () => dataRoot.check() });
    health.register({ name: 'files', check: async () => desk.check() });
    health.warn({ name: 'projects', look: () => Promise.resolve(projects.inTroubleInWords()) });
    await dataRoot.begin(signal);
    projects.keepLearning(connection, signal);
    void projects.keepLooking(signal);
    desk.open();
    answerReports(connection, hostId, projects);
    heartbeat.begin();
    housekeeping.begin(operations);
    return new Worker(operations, connection, changes, desk, heartbeat, housekeeping, dataRoot);
  }

  async onApplicationShutdown(): Promise<void> {
    this.heartbeat.end();
    this.housekeeping.end();
    await this.desk.close();
    await this.changes.stopAll();
    await this.connection.drain();
    await this.dataRoot.end();
  }
}

/** Tells all that is known of changes once more, when somebody asks who has missed it. */
function answerReports(connection: NatsConnection, hostId: string, projects: LocalProjects): void {
  const refuse = () => ({ code: 'no-report', detail: 'The host cannot report at the moment.', retry: true });
  answer(connection, subjects.request(hostId, 'report'), { atOnce: 4, refuse }, () => {
    projects.reportAll();
    return Promise.resolve();
  });
}
