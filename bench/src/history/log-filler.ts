import { setTimeout as pause } from 'node:timers/promises';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { STREAM, subjects } from '@buckets/contracts';
import { connectToNats, Log, PositionMoved } from '@buckets/log';
import type { Stack } from '@buckets/stack';
import { DataSource } from 'typeorm';
import { backup, created } from '../replay.js';

/** Backups in one append, each of some events. */
const AT_ONCE = 100;
const MAX_TRIES = 20;
const LOOK_EVERY_MS = 50;

/** Writes the histories of projects into the log of a stack, as the API would. */
export class LogFiller implements AsyncDisposable {
  private constructor(
    private readonly nats: NatsConnection,
    private readonly jsm: JetStreamManager,
    private readonly log: Log,
  ) {}

  static async of({ infrastructure }: Stack): Promise<LogFiller> {
    const { natsUrl: url, controlCredentials } = infrastructure;
    const nats = await connectToNats({ url, credsFile: controlCredentials.api, name: 'bench' });
    const jsm = await jetstreamManager(nats);
    return new LogFiller(nats, jsm, new Log(nats, jsm, 'buckets/bench'));
  }

  async create(projectId: string): Promise<void> {
    await this.log.append({ thing: 'project', id: projectId, expected: 0, events: [created()] });
  }

  /** Backups of a project, from the first number up to before the last. @returns the id of the last */
  async backUp(projectId: string, { from, to }: { from: number; to: number }): Promise<string> {
    for (let first = from; first < to; first += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, to - first) }, (_, n) => backup(projectId, first + n));
      // What was stated of freshness is not what is measured.
      const events = some.flatMap((decided) => decided.events.filter(({ type }) => type !== 'freshness-changed'));
      await this.append(projectId, events);
    }
    const recorded = backup(projectId, to - 1).events.find(({ type }) => type === 'backup-recorded');
    return (recorded!.data as { backupId: string }).backupId;
  }

  /** Others may append to the project at the same time. */
  private async append(projectId: string, events: Parameters<Log['append']>[0]['events']): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const last = await this.jsm.streams.getMessage(STREAM.log, {
        last_by_subj: subjects.eventsOf('project', projectId),
      });
      try {
        await this.log.append({ thing: 'project', id: projectId, expected: last?.seq ?? 0, events });
        return;
      } catch (error) {
        if (!(error instanceof PositionMoved) || attempt === MAX_TRIES) throw error;
      }
    }
  }

  /** The end of the log. */
  async end(): Promise<number> {
    return (await this.jsm.streams.info(STREAM.log)).state.last_seq;
  }

  /** Waits until the API's tables show all that the log has now. @returns where it ends */
  async isShown({ infrastructure }: Stack): Promise<number> {
    const end = await this.end();
    const data = new DataSource({ type: 'postgres', url: infrastructure.postgresUrl });
    await data.initialize();
    try {
      for (;;) {
        const [row] = await data.query<{ position: string }[]>('SELECT position FROM api.projection_position');
        if (Number(row?.position ?? 0) >= end) break;
        await pause(LOOK_EVERY_MS);
      }
      // As Postgres does by itself, within a minute after so many rows are new.
      await data.query('ANALYZE');
      return end;
    } finally {
      await data.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nats.close();
  }
}
