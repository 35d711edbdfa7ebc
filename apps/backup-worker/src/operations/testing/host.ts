import { randomBytes } from 'node:crypto';
import {
  OPERATION_KINDS,
  type Asks,
  type Grant,
  type OperationEndedClaim,
  type OperationKind,
  type Progress,
} from '@buckets/contracts';
import { Refused } from '@buckets/log';
import { Backoff } from '@buckets/patience';
import type { ControlPlane } from '../../control-plane/control-plane.js';
import { Budget } from '../../queue/budget.js';
import type { EndingNotes } from '../ending-notes.js';
import type { WorkIntent } from '../open-operation.js';
import { cancelled, type Attempt, type CutOff, type Ending, type Works } from '../operation.js';
import { Operations } from '../operations.js';

export const turns = async (count = 1): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** What an attempt is to do. */
export type Script = (attempt: Attempt, host: Host) => Promise<Ending>;

/** The operations of a host whose control plane says yes to all, or what a test has it say. */
export class Host {
  readonly budget = new Budget({ cpus: 1, memoryBytes: 1 });
  readonly claims: OperationEndedClaim[] = [];
  readonly grants: Asks['grant']['ask'][] = [];
  readonly told: { operationId: string; progress: Progress }[] = [];
  readonly notes = new Map<string, Ending>();
  readonly cutOff: string[] = [];
  readonly failures: string[] = [];
  readonly stopping = new AbortController();
  readonly operations: Operations;
  /** Operations of which the control plane knows that somebody has cancelled them. */
  readonly cancelled = new Set<string>();
  /** Fulfilled while the host may work. */
  ready: Promise<void> = Promise.resolve();
  /** Why the data root was away during an attempt that has failed. */
  dataRootWasAway?: string;
  /** Operations that the control plane has ended. */
  readonly ended = new Set<string>();
  /** Where the notes are. */
  readonly disk: Pick<EndingNotes, 'read' | 'write' | 'remove'> = {
    read: (id) => Promise.resolve(this.notes.get(id)),
    write: (id, ending) => Promise.resolve(void this.notes.set(id, ending)),
    remove: (id) => Promise.resolve(void this.notes.delete(id)),
  };
  private readonly attempts = new Map<string, number>();
  private readonly scripts = new Map<string, Script>();

  constructor(private readonly afterCut: (operation: CutOff) => Promise<Ending> = () => Promise.resolve(cancelled())) {
    const work = {
      work: (attempt: Attempt) => this.scripts.get(attempt.intent.operationId)!(attempt, this),
      cutOff: async (operation: CutOff) => {
        await turns();
        this.cutOff.push(operation.intent.operationId);
        return this.afterCut(operation);
      },
    };
    this.operations = new Operations(
      this.controlPlane,
      Object.fromEntries(OPERATION_KINDS.map((kind) => [kind, work])) as unknown as Works,
      this.disk,
      { attemptEnded: () => undefined, attemptFailed: (_, code) => void this.failures.push(code) },
      { info: () => undefined, warn: () => undefined },
      {
        workerId: 'this-run',
        stopping: this.stopping.signal,
        ready: () => this.ready,
        dataRootAwaySince: () => Promise.resolve(this.dataRootWasAway),
        attempts: 3,
        betweenAttempts: new Backoff({ firstMs: 1, maxMs: 1 }),
      },
    );
  }

  /** Hands an intent over, as its queue does. */
  take(
    operationId: string,
    script: Script,
    about: Partial<{ kind: OperationKind; limits: object; projectId: string; redelivered: boolean }> = {},
  ) {
    const { kind = 'backup', limits, projectId = 'atlas', redelivered } = about;
    this.scripts.set(operationId, script);
    const data = { operationId, generation: 1, requestedAt: '2026-01-01T00:00:00.000Z', ...(limits && { limits }) };
    const intent = { kind, hostId: 'eu-1', projectId, data, messageId: operationId, time: '' } as unknown as WorkIntent;
    return this.operations.carryOut(intent, 1, redelivered);
  }

  /** As the control plane would: noted there, and told to the host. */
  cancel(operationId: string): void {
    this.cancelled.add(operationId);
    this.operations.cancel(operationId);
  }

  claimsOf(operationId: string): OperationEndedClaim[] {
    return this.claims.filter((claim) => claim.operationId === operationId);
  }

  private get controlPlane(): Pick<ControlPlane, 'ask' | 'claim' | 'progress'> {
    const answers = {
      grant: (ask: Asks['grant']['ask']): Grant => {
        this.grants.push(ask);
        if (this.ended.has(ask.operationId)) throw refusal('operation-ended');
        const attempt = (this.attempts.get(ask.operationId) ?? 0) + 1;
        this.attempts.set(ask.operationId, attempt);
        return grantOf(attempt, this.cancelled.has(ask.operationId));
      },
      confirm: ({ operationId }: Asks['confirm']['ask']) => {
        if (this.cancelled.has(operationId)) throw refusal('cancel-requested');
        return { confirmed: true };
      },
    };
    return {
      ask: async (name: string, body: object, { signal }: { signal: AbortSignal }) => {
        await turns(2);
        signal.throwIfAborted();
        const answer = (answers as Record<string, (ask: object) => object>)[name]!(body);
        await turns();
        signal.throwIfAborted();
        return answer;
      },
      claim: async ({ data }: { data: object }) => {
        await turns(2);
        this.claims.push(data as OperationEndedClaim);
      },
      progress: (_: string, operationId: string, progress: Progress) => void this.told.push({ operationId, progress }),
    } as unknown as ControlPlane;
  }
}

function refusal(code: string): Refused {
  return new Refused({ code, detail: code, retry: false });
}

function grantOf(attempt: number, cancelRequested: boolean): Grant {
  const dataKey = randomBytes(32).toString('base64');
  return { attempt, cancelRequested, dataKey, hadData: true, running: false } as Grant;
}
