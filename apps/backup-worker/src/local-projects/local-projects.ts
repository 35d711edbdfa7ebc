import type { Assignment } from '@buckets/contracts';
import { Backoff, type Logger } from '@buckets/service';
import type { NatsConnection } from '@nats-io/transport-node';
import { setTimeout as pause } from 'node:timers/promises';
import { ProjectNotTracked, type ChangeTracker } from '../changes/index.js';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { ROOT_NAMES, type HostFolders, type ProvisionedRecords } from '../restore/index.js';

const ASK_DEADLINE_MS = 30_000;
const OPENED_AT_ONCE = 8;
const BETWEEN_TRIES = new Backoff({ firstMs: 500, maxMs: 30_000 });

/** The projects that are this host's, and whose changes it watches. */
export class LocalProjects {
  private readonly generations = new Map<string, number>();
  private resolveLearned: () => void = () => undefined;
  private knows = false;
  /** Fulfilled when it was learned for the first time. */
  readonly learned = new Promise<void>((resolve) => (this.resolveLearned = resolve));

  constructor(
    private readonly controlPlane: ControlPlane,
    private readonly folders: HostFolders,
    private readonly records: ProvisionedRecords,
    private readonly changes: ChangeTracker,
    private readonly log: Logger,
  ) {}

  get count(): number {
    return this.generations.size;
  }

  /** Whether the project is this host's in this generation, as far as is known here. */
  isHere(projectId: string, generation: number): boolean {
    return this.generations.get(projectId) === generation;
  }

  /** Learns at once, until it has succeeded, and again whenever the connection comes back. */
  keepLearning(connection: NatsConnection, signal: AbortSignal): void {
    void this.learnOrRetry(signal);
    void (async () => {
      for await (const { type } of connection.status()) {
        if (type !== 'reconnect') continue;
        await this.learnOrRetry(signal);
        this.changes.reportAll();
      }
    })();
  }

  checkLearned(): Promise<void> {
    return this.knows ? Promise.resolve() : Promise.reject(new Error('The host does not know its projects yet'));
  }

  private async learnOrRetry(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.learn(signal);
        this.knows = true;
        this.resolveLearned();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.log.warn({ error: String(error) }, 'Which projects are on this host is not known yet; asking again');
        await pause(BETWEEN_TRIES.delayMs(attempt), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Learns from the control plane which projects are here, watches these, and lets go of all others. */
  async learn(signal: AbortSignal): Promise<void> {
    const here = new Map<string, Assignment>();
    let after: string | undefined;
    do {
      const page = await this.controlPlane.ask('assignments', after === undefined ? {} : { after }, {
        deadlineMs: ASK_DEADLINE_MS,
        signal,
      });
      for (const item of page.items) here.set(item.projectId, item);
      after = page.next;
    } while (after !== undefined);
    for (const projectId of this.generations.keys()) if (!here.has(projectId)) this.forget(projectId);
    const waiting = [...here.values()];
    const openNext = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        signal.throwIfAborted();
        await this.watch(next.projectId, next.generation, { running: next.running });
      }
    };
    await Promise.all(Array.from({ length: OPENED_AT_ONCE }, openNext));
  }

  /** Looks after a project's changes from now on, if its data are here. */
  async watch(projectId: string, generation: number, { running }: { running: boolean }): Promise<void> {
    this.generations.set(projectId, generation);
    if ((await this.records.inspect(projectId)).state !== 'provisioned') {
      this.changes.close(projectId);
      return;
    }
    await this.changes.open(projectId, this.rootsOf(projectId), generation, { running });
  }

  /** The project's data are others now: nothing that was known of them holds. */
  async replaced(projectId: string, generation: number, state: { running: boolean }): Promise<void> {
    try {
      this.changes.restored(projectId);
    } catch (error) {
      if (!(error instanceof ProjectNotTracked)) throw error;
    }
    await this.watch(projectId, generation, state);
  }

  setRunning(projectId: string, running: boolean): void {
    try {
      this.changes.setRunning(projectId, running);
    } catch (error) {
      if (!(error instanceof ProjectNotTracked)) throw error;
      this.log.warn({ projectId }, 'A project whose data are not here has changed its state');
    }
  }

  private forget(projectId: string): void {
    this.generations.delete(projectId);
    this.changes.close(projectId);
  }

  private rootsOf(projectId: string): string[] {
    return ROOT_NAMES.map((root) => this.folders.root(projectId, root));
  }
}
