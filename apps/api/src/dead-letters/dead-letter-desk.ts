import {
  readClaim,
  readIntent,
  STREAM,
  UnreadableMessage,
  type ReceivedClaim,
  type ReceivedIntent,
} from '@buckets/contracts';
import { PositionMoved, type DeadLetter, type DeadLetters, type KeptLetter } from '@buckets/log';
import type { Logger } from '@buckets/service';
import type { DataSource } from 'typeorm';
import type { ClaimDesk } from '../claims/claim-desk.js';
import type { Decider } from '../decisions/decider.js';
import { Rejection } from '../problems/rejection.js';
import { existing, NOTHING } from '../project-decisions/verdict.js';
import { openOperation, type ProjectState } from '../state/project-state.js';
import { OperationRow } from '../tables/entities.js';

type WholeLetter = KeptLetter & Pick<DeadLetter, 'bytes'>;

const MAX_TRIES = 3;

/** Carries out what people decide of the messages that could not be read. */
export class DeadLetterDesk {
  constructor(
    private readonly letters: DeadLetters,
    private readonly claims: ClaimDesk,
    private readonly decider: Decider,
    private readonly data: DataSource,
    private readonly log: Logger,
  ) {}

  /** @throws {Rejection} `dead-letter-not-found` */
  async get(id: string): Promise<WholeLetter> {
    const letter = /^[1-9]\d{0,14}$/.test(id) ? await this.letters.read(Number(id)) : null;
    if (letter !== null) return letter;
    throw new Rejection('dead-letter-not-found', `There is no dead letter ${id}, or none any more.`, 404);
  }

  /**
   * Does with a message what would have been done, had it been read; the letter goes then. Doing so twice is harmless:
   * an operation ends once, and a host does nothing twice for the same operation.
   *
   * @throws {Rejection} `still-unreadable`, or why nobody waits for it any more
   */
  async replay(id: string): Promise<void> {
    const letter = await this.get(id);
    if (letter.stream === STREAM.claims) await this.decide(readable(letter, readClaim));
    else await this.sendAgain(letter, readable(letter, readIntent));
    await this.letters.remove(letter.id);
    this.log.info({ deadLetter: id, subject: letter.subject }, 'A dead letter was replayed');
  }

  /** @returns what is lost with it */
  async discard(id: string): Promise<KeptLetter> {
    const { bytes: _content, ...letter } = await this.get(id);
    await this.letters.remove(letter.id);
    this.log.warn({ deadLetter: letter }, 'A dead letter was discarded');
    return letter;
  }

  private async decide(claim: ReceivedClaim): Promise<void> {
    if (claim.type === 'operation-ended') await this.claims.operationEnded(claim);
    else await this.claims.unreadableIntent(claim);
  }

  private async sendAgain(letter: WholeLetter, intent: ReceivedIntent): Promise<void> {
    const { projectId, data } = intent;
    for (let attempt = 1; ; attempt++) {
      const { position } = await this.decider.decide('project', projectId, async (state) => {
        const row = await this.data.getRepository(OperationRow).findOneBy({ id: data.operationId });
        assertWanted(intent, existing(state, projectId), row?.state);
        return NOTHING;
      });
      try {
        await this.letters.sendAgain(letter, position);
        return;
      } catch (error) {
        if (!(error instanceof PositionMoved)) throw error;
        if (attempt === MAX_TRIES) throw new Rejection('too-busy', 'The project keeps changing. Try again.', 503);
      }
    }
  }
}

/** @throws {Rejection} `still-unreadable` */
function readable<Message>(
  { subject, bytes }: WholeLetter,
  read: (subject: string, bytes: Uint8Array) => Message,
): Message {
  try {
    return read(subject, bytes);
  } catch (error) {
    if (!(error instanceof UnreadableMessage)) throw error;
    const advice = 'Replay it with a version of the API that knows such messages, or discard it.';
    throw new Rejection('still-unreadable', `It still cannot be read: ${error.reason}. ${advice}`, 409);
  }
}

/** @throws {Rejection} when nobody waits for what the intent asks for */
function assertWanted({ data, hostId }: ReceivedIntent, project: ProjectState, state = 'unknown'): void {
  const { operationId, generation } = data;
  if (openOperation(project, operationId) === undefined) {
    const detail = `The operation ${operationId} is not open any more: it is ${state}. Discard the letter, and ask anew.`;
    throw new Rejection('operation-ended', detail, 409);
  }
  if (project.hostId === hostId && project.generation === generation) return;
  throw new Rejection('overtaken', `The project has another assignment since: ${hostId} has no say in it.`, 409);
}
