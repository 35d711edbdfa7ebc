import type { JetStreamManager } from '@nats-io/jetstream';
import { STREAM, subjects } from '@buckets/contracts';
import type { Projector } from '@buckets/log';

/**
 * Which API keys were revoked, by the log, whichever copy of the API has done it: the tables may be behind, for a moment or
 * until an operator has seen to them, and a key that was revoked lets nobody in meanwhile.
 */
export class Revocations {
  constructor(
    private readonly jsm: { streams: Pick<JetStreamManager['streams'], 'getMessage'> },
    private readonly projector: Pick<Projector, 'reaches'>,
  ) {}

  /** Whether the tables show all that were logged before the call. */
  async areInTables(): Promise<boolean> {
    return this.projector.reaches(await this.lastOf(subjects.anyApiKeyRevoked), { deadlineMs: 0 });
  }

  async has(keyId: string): Promise<boolean> {
    return (await this.lastOf(subjects.event('api-key', keyId, 'revoked'))) > 0;
  }

  private async lastOf(subject: string): Promise<number> {
    return (await this.jsm.streams.getMessage(STREAM.log, { last_by_subj: subject }))?.seq ?? 0;
  }
}
