import type { NatsConnection } from '@nats-io/transport-node';
import { publishTogether, type Publishable, type PublishReply } from './publish-together.js';

/** Of the thousand that the server takes in one batch. */
const MOST_MESSAGES = 500;
/** That wait for their turn. */
const MOST_WAITING = 1_000;

interface Waiting {
  messages: readonly Publishable[];
  resolve: (reply: PublishReply) => void;
  reject: (error: unknown) => void;
}

/**
 * Publishes batches, each stored whole or not at all. Those that come while one is on its way share the next: a batch
 * costs the server several times what a message does, however many messages it has. A single message goes at once.
 */
export class GroupCommit {
  private readonly waiting: Waiting[] = [];
  private isBusy = false;

  constructor(
    private readonly nats: NatsConnection,
    private readonly timeoutMs: number,
  ) {}

  /**
   * @returns the answer as to a batch of its own: no other batch of the group has a part in it
   * @throws what NATS throws when there is no answer in time; the outcome is unknown then
   */
  async publish(messages: readonly Publishable[]): Promise<PublishReply> {
    if (messages.length === 1) return this.alone(messages);
    if (this.waiting.length >= MOST_WAITING) throw new Error('Too many wait for the log.');
    const { promise, resolve, reject } = Promise.withResolvers<PublishReply>();
    this.waiting.push({ messages, resolve, reject });
    if (!this.isBusy) void this.publishAll();
    return promise;
  }

  private async publishAll(): Promise<void> {
    this.isBusy = true;
    while (this.waiting.length > 0) {
      const group = this.nextGroup();
      try {
        await this.publishGroup(group);
      } catch (error) {
        // Who waited behind it has waited long enough, and looks whether this is still the log to append to.
        for (const { reject } of [...group, ...this.waiting.splice(0)]) reject(error);
      }
    }
    this.isBusy = false;
  }

  private nextGroup(): Waiting[] {
    let count = 0;
    const full = this.waiting.findIndex(({ messages }) => (count += messages.length) > MOST_MESSAGES);
    return this.waiting.splice(0, full < 0 ? this.waiting.length : Math.max(1, full));
  }

  private async publishGroup(group: readonly Waiting[]): Promise<void> {
    const reply = await this.alone(group.flatMap(({ messages }) => messages));
    if (group.length === 1) {
      group[0]!.resolve(reply);
    } else if (reply.seq !== undefined && reply.error === undefined && reply.duplicate !== true) {
      let { seq } = reply;
      for (const { messages, resolve } of group.toReversed()) {
        resolve({ seq });
        seq -= messages.length;
      }
    } else {
      // One of them was refused, and the others with it.
      await Promise.all(group.map(({ messages, resolve, reject }) => this.alone(messages).then(resolve, reject)));
    }
  }

  private alone(messages: readonly Publishable[]): Promise<PublishReply> {
    return publishTogether(this.nats, messages, this.timeoutMs);
  }
}
