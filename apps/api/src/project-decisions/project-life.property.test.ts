import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import {
  EXPIRY_CODES,
  operationEvent,
  OPERATION_KINDS,
  OUTCOMES,
  type ExpiryCode,
  type LoggedEvent,
  type OperationEndedClaim,
  type OperationKind,
} from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import type { BackupLook, Project } from '../state/backups-at-hand.js';
import type { ProjectState } from '../state/project-state.js';
import { WholeProject } from '../state/testing/all-backups.js';
import { AT, created, LIMITS, logged, record, UP } from '../state/testing/given.js';
import { beginAttempt, confirmAttempt, initialiseRepository, MAX_ATTEMPTS } from './attempt.js';
import { cancelOperation } from './cancel-operation.js';
import { reportChange, stateFreshness } from './changes.js';
import { createProject } from './create-project.js';
import { endOperation, lookForClaim } from './end-operation.js';
import { expireOperation } from './expire-operation.js';
import { lookForRequest, MAX_OPEN_OPERATIONS, requestOperation, type OperationRequest } from './request-operation.js';
import type { Verdict } from './verdict.js';

/*
 * Hosts, callers and process managers do whatever they like with one project, in any order, again and again, late, and
 * in each other's name. Ids come from a handful, so that they meet.
 */

const hostId = fc.constantFrom('h1', 'h1', 'h1', 'h2');
const generation = fc.constantFrom(2, 2, 2, 1, 3);
const operationId = fc.constantFrom('op-0', ...Array.from({ length: 12 }, (_, i) => `op-${i + 1}`), 'constructor');
const attemptId = fc.constantFrom('at-1', 'at-2', 'at-3');
const digit = fc.integer({ min: 1, max: 3 });
const kind = fc.constantFrom(...OPERATION_KINDS);

const claim = fc.record(
  {
    operationId,
    generation,
    kind,
    attemptId,
    outcome: fc.constantFrom(...OUTCOMES),
    running: fc.boolean(),
    code: fc.constant('disk-full'),
    backup: fc.record({ digit, operationId, generation, partial: fc.boolean() }).map((of) =>
      record(of.digit, of.operationId, {
        counter: { generation: of.generation, epoch: 'e', n: 1 },
        partialBecause: of.partial ? ['unreadable-files'] : [],
      }),
    ),
    provisioned: fc.record({
      operationId,
      generation,
      by: fc.constant('restored' as const),
      roots: fc.constant(['project' as const]),
    }),
  },
  { requiredKeys: ['operationId', 'generation', 'kind', 'attemptId', 'outcome'] },
) as fc.Arbitrary<OperationEndedClaim>;

type Action =
  | { do: 'create'; adopt: boolean }
  | { do: 'request'; operationId: string; kind: Exclude<OperationKind, 'provision'>; digit: number }
  | {
      do: 'begin' | 'confirm' | 'initialise';
      hostId: string;
      generation: number;
      operationId: string;
      attemptId: string;
    }
  | { do: 'claim'; hostId: string; claim: OperationEndedClaim }
  | { do: 'cancel'; operationId: string }
  | { do: 'cancel-one'; which: number }
  | { do: 'expire'; operationId: string; code: ExpiryCode }
  | { do: 'expire-one'; which: number; code: ExpiryCode }
  | { do: 'begin-one'; which: number; attemptId: string }
  | {
      do: 'end-one';
      which: number;
      outcome: 'succeeded' | 'failed' | 'cancelled';
      digit: number;
      twist: Twist;
      again: boolean;
    }
  | { do: 'change' }
  | { do: 'freshness'; generation: number; reason: string };

/** What is not as it should be about a claim, if anything. */
type Twist = { claim?: Partial<OperationEndedClaim>; hostId?: string; backupOf?: number };
const twist: fc.Arbitrary<Twist> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.record({ hostId }) },
  { weight: 1, arbitrary: fc.record({ backupOf: generation }) },
  {
    weight: 2,
    arbitrary: fc
      .record({ generation, kind, attemptId, running: fc.boolean() }, { requiredKeys: [] })
      .map((of) => ({ claim: of })),
  },
);
const which = fc.nat(4);
const code = fc.constantFrom(...EXPIRY_CODES);

const attempt = fc.record({ hostId, generation, operationId, attemptId });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('create' as const), adopt: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('request' as const),
      operationId,
      kind: fc.constantFrom('backup', 'restore', 'start', 'stop', 'forget', 'tidy'),
      digit,
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom('begin', 'begin', 'confirm', 'initialise'), attempt)
      .map(([what, of]) => ({ do: what, ...of })),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('claim' as const), hostId, claim }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), operationId }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), operationId, code }) },
  // Mostly things go as they should, or nearly so.
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cancel-one' as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('expire-one' as const), which, code }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('begin-one' as const), which, attemptId }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('end-one' as const),
      which,
      outcome: fc.constantFrom('succeeded', 'succeeded', 'failed', 'cancelled'),
      digit,
      twist,
      again: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'change' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('freshness' as const), generation, reason: fc.constantFrom('a', 'b') }),
  },
) as fc.Arbitrary<Action>;

describe('whatever callers and hosts do with a project', () => {
  it('its story stays consistent', () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 80 }), (actions) => {
        const story = new Story();
        story.act({ do: 'create', adopt: false });
        for (const each of actions) story.act(each);
        expect(WholeProject.after(story.events)).toEqual(story.log);
      }),
      { numRuns: 1_000 },
    );
  });

  it('has fifty open operations at most', () => {
    const story = new Story();
    story.act({ do: 'create', adopt: false });
    for (let i = 1; i <= 60; i++) story.act({ do: 'request', operationId: `op-${i}`, kind: 'stop', digit: 1 });
    expect(Object.keys(story.state!.operations)).toHaveLength(MAX_OPEN_OPERATIONS);
  });
});

/** The log of one project, its folded state, and what must hold of them after each step. */
class Story {
  readonly log = new WholeProject();
  readonly events: LoggedEvent<'project'>[] = [];
  private readonly ended = new Set<string>();
  private readonly deleted = new Set<string>();
  /** Operations that somebody has cancelled. */
  private readonly wanted = new Set<string>();
  private readonly claims: { hostId: string; claim: OperationEndedClaim }[] = [];

  act(each: Action): void {
    const verdict = this.decide(each);
    const before = this.state;
    const known = new Set(this.log.backups.keys());
    const fresh = logged(verdict.events, this.events.length);
    for (const event of fresh) {
      this.events.push(event);
      this.log.hear(event);
    }
    this.check(each, verdict, before, fresh);
    this.checkBackups(fresh, known);
  }

  get state(): ProjectState | null {
    return this.log.state;
  }

  /** With what a decision looks for, and no more. */
  private with(look: BackupLook): Project | null {
    return this.log.with(look);
  }

  private decide(each: Action): Verdict {
    try {
      return this.verdictOn(each);
    } catch (error) {
      // A rejection changes nothing; any other error would be one of ours.
      if (!(error instanceof Rejection)) throw error;
      return { events: [], intents: [] };
    }
  }

  private verdictOn(each: Action): Verdict {
    switch (each.do) {
      case 'create':
        return createProject(this.state, {
          projectId: 'p1',
          data: created,
          operationId: 'op-0',
          adopt: each.adopt,
          limits: LIMITS,
          at: AT,
        });
      case 'request': {
        // The ids of ended operations are looked up before anything is decided.
        if (this.ended.has(each.operationId)) return { events: [], intents: [] };
        const params = { backupId: String(each.digit).repeat(64) };
        const request: OperationRequest = { ...each, params, limits: LIMITS, at: AT, by: { requestedBy: 'admin' } };
        return requestOperation(this.with(lookForRequest(request)), 'p1', request);
      }
      case 'begin':
        return beginAttempt(this.state, 'p1', each);
      case 'confirm':
        confirmAttempt(this.state, 'p1', each);
        return { events: [], intents: [] };
      case 'initialise':
        return initialiseRepository(
          this.state,
          'p1',
          each,
          each.attemptId.endsWith('1') ? 'a'.repeat(64) : 'b'.repeat(64),
        );
      case 'claim':
        return this.end(each.hostId, each.claim);
      case 'begin-one': {
        const [id] = this.open(each.which) ?? [];
        if (id === undefined) return { events: [], intents: [] };
        return beginAttempt(this.state, 'p1', {
          hostId: 'h1',
          generation: 2,
          operationId: id,
          attemptId: each.attemptId,
        });
      }
      case 'end-one':
        return this.endOne(each);
      case 'cancel':
        return cancelOperation(this.state, 'p1', { ...each, at: AT, by: { requestedBy: 'admin' } });
      case 'expire':
        return expireOperation(this.state, 'p1', { ...each, ...UP });
      case 'cancel-one':
      case 'expire-one': {
        const [id] = this.open(each.which) ?? [];
        if (id === undefined) return { events: [], intents: [] };
        return this.verdictOn(
          each.do === 'cancel-one'
            ? { do: 'cancel', operationId: id }
            : { do: 'expire', operationId: id, code: each.code },
        );
      }
      case 'change':
        return reportChange(this.state, 'p1', { source: 'agent-edit', at: AT });
      case 'freshness':
        return stateFreshness(this.state, 'p1', each.generation, { freshness: 'stale', reason: each.reason });
    }
  }

  private open(which: number) {
    const all = Object.entries(this.state?.operations ?? {});
    return all[which % all.length];
  }

  /** The current attempt of an open operation claims what it should, with a twist; or an earlier claim comes again. */
  private endOne({
    which: index,
    outcome,
    digit: backup,
    twist: odd,
    again,
  }: Extract<Action, { do: 'end-one' }>): Verdict {
    const earlier = this.claims.at(-1 - index);
    if (again && earlier !== undefined) return this.end(earlier.hostId, earlier.claim);
    const [id, open] = this.open(index) ?? [];
    if (id === undefined || open?.attemptId === undefined) return { events: [], intents: [] };
    const whole = outcome === 'succeeded';
    const provisioned = { operationId: id, generation: 2, by: 'restored' as const, roots: ['project' as const] };
    const counter = { generation: odd.backupOf ?? 2, epoch: 'e', n: 1 };
    const said: OperationEndedClaim = {
      operationId: id,
      generation: 2,
      kind: open.kind,
      attemptId: open.attemptId,
      outcome,
      ...(open.kind === 'backup' && whole ? { backup: record(backup, id, { counter }) } : {}),
      ...(['provision', 'restore'].includes(open.kind) && whole ? { provisioned } : {}),
      ...(open.kind === 'start' || open.kind === 'stop' ? { running: open.kind === 'start' && whole } : {}),
      ...odd.claim,
    };
    this.claims.push({ hostId: odd.hostId ?? 'h1', claim: said });
    return this.end(odd.hostId ?? 'h1', said);
  }

  private end(hostId: string, told: OperationEndedClaim): Verdict {
    return endOperation(this.with(lookForClaim(told)), hostId, told);
  }

  private check(
    each: Action,
    { intents }: Verdict,
    before: ProjectState | null,
    fresh: LoggedEvent<'project'>[],
  ): void {
    const state = this.state!;
    for (const event of fresh) this.checkOperation(event, before);

    const overtaken = each.do === 'claim' && (each.hostId !== 'h1' || each.claim.generation !== 2);
    if (overtaken) {
      expect(fresh.map(({ type }) => type)).toEqual(['claim-rejected']);
      expect(state).toBe(before);
    }
    // Every request reaches the host of the project, as of its generation; so does the end of what it has begun, where
    // others have ended it or want it to end. Nothing else does.
    const told = fresh.filter((event) => {
      const { kind: of, step } = operationEvent(event.type) ?? {};
      if (of === undefined || step === undefined) return false;
      if (step === 'requested') return true;
      const { operationId: id } = event.data as { operationId: string };
      if ((before?.operations[id]?.attempts ?? 0) === 0) return false;
      return step === 'cancel-requested' || each.do === 'expire' || each.do === 'expire-one';
    });
    expect(intents.map(({ kind: of, hostId: to, data }) => [of, to, data.operationId, data.generation])).toEqual(
      told.map(({ type, data }) => {
        const { kind: of, step } = operationEvent(type)!;
        const { operationId: id } = data as { operationId: string };
        return [step === 'requested' ? of : 'cancel', state.hostId, id, state.generation];
      }),
    );
    expect(Object.keys(state.operations).length).toBeLessThanOrEqual(MAX_OPEN_OPERATIONS);
    if (state.provisioned) expect(state.hadData).toBe(true);
    if (before?.hadData) expect(state.hadData).toBe(true);
    if (before?.repositoryConfigId !== undefined) expect(state.repositoryConfigId).toBe(before.repositoryConfigId);
    if (before !== null && before.running !== state.running) {
      const last = fresh.at(-1)!;
      expect(['start', 'stop', undefined]).toContain(operationEvent(last.type)?.kind);
      if (operationEvent(last.type) === null) expect(last.type).toBe('runtime-changed');
      expect(fresh.at(-1)!.data).toMatchObject({ running: state.running });
    }
    // It is stored as JSON.
    expect(isDeepStrictEqual(JSON.parse(JSON.stringify(state)), state)).toBe(true);
  }

  /** An operation is asked for once, begins while it is open, and ends once. */
  private checkOperation(event: LoggedEvent<'project'>, before: ProjectState | null): void {
    const operation = operationEvent(event.type);
    if (operation === null) return;
    if (operation.step === 'cancel-requested') this.wanted.add((event.data as { operationId: string }).operationId);
    const { operationId: id, attempt: number } = event.data as { operationId: string; attempt?: number };
    const open = before !== null && Object.hasOwn(before.operations, id) ? before.operations[id] : undefined;
    expect(this.ended.has(id)).toBe(false);
    if (operation.step === 'requested') {
      expect(open).toBeUndefined();
      return;
    }
    expect(open?.kind).toBe(operation.kind);
    if (operation.step === 'began') {
      expect(number).toBe(open!.attempts + 1);
      expect(number).toBeLessThanOrEqual(MAX_ATTEMPTS);
      return;
    }
    if (operation.step === 'cancel-requested') {
      expect(open!.cancelRequestedAt).toBeUndefined();
      return;
    }
    // Nobody but its host ends what has begun, unless its time is up.
    const { code: why } = event.data as { code?: string };
    const timeIsUp = EXPIRY_CODES.some((each) => each === why);
    if (open!.attemptId === undefined) expect(['cancelled', 'expired']).toContain(operation.step);
    else expect(operation.step === 'expired').toBe(timeIsUp && why !== 'cancel-unanswered');
    if (why === 'queue-limit') expect(open!.attempts).toBe(0);
    if (operation.step === 'cancelled') expect(this.wanted.has(id)).toBe(true);
    this.ended.add(id);
    expect(Object.hasOwn(this.state!.operations, id)).toBe(false);
  }

  /** A backup is recorded while it is not known, and deleted while it is. */
  private checkBackups(fresh: LoggedEvent<'project'>[], before: ReadonlySet<string>): void {
    for (const { type, data } of fresh) {
      const { backupId } = data as { backupId: string };
      if (type === 'backup-recorded') {
        expect(before.has(backupId)).toBe(false);
        expect(this.deleted.has(backupId)).toBe(false);
        expect(data).toMatchObject({ hostId: 'h1', counter: { generation: 2 } });
      }
      if (type !== 'backup-deleted') continue;
      expect(before.has(backupId)).toBe(true);
      this.deleted.add(backupId);
    }
  }
}
