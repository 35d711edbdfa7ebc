import type { JetStreamManager } from '@nats-io/jetstream';
import { STREAM } from '@buckets/contracts';
import { HEADWAY_LIMIT_MS, NoHeadway } from './headway.js';
import type { Projector } from './projector.js';

/**
 * Whether the tables follow the log: that nothing has failed does not say so. Looks at the end of the log whenever it is asked;
 * that the tables stand still while the log goes on is told from when it was first seen.
 */
export class ProjectionHeadway {
  private stands: { at: number; since: number } | undefined;

  constructor(
    private readonly projector: Pick<Projector, 'name' | 'position' | 'trouble'>,
    private readonly jsm: Pick<JetStreamManager, 'streams'>,
    private readonly limitMs = HEADWAY_LIMIT_MS,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @throws {NoHeadway}, the projector's own trouble, what NATS throws */
  async check(): Promise<void> {
    const { trouble, name } = this.projector;
    if (trouble !== undefined) throw trouble;
    const end = (await this.jsm.streams.info(STREAM.log)).state.last_seq;
    const { position } = this.projector;
    const now = this.now();
    if (position >= end) this.stands = undefined;
    else if (this.stands?.at !== position) this.stands = { at: position, since: now };
    const ms = this.stands === undefined ? 0 : now - this.stands.since;
    if (ms > this.limitMs) throw new NoHeadway(`The projection ${name} (at ${position} of ${end})`, ms);
  }
}
