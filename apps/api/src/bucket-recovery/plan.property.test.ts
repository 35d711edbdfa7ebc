import { describe, expect, it } from '@jest/globals';
import { asDescribed, newestFirst, type BackupRecorded, type NewEvent } from '@buckets/contracts';
import fc from 'fast-check';
import { lookForFound, recoverProject, type FoundProject } from '../project-decisions/recover-project.js';
import { backupToRestore, type Project } from '../state/backups-at-hand.js';
import { WholeProject } from '../state/testing/all-backups.js';
import { logged, record, snapshot } from '../state/testing/given.js';
import type { OperationKnown } from '../operations/operation-known.js';
import { newGeneration } from '../project-decisions/generation.js';
import { planOf, tellingOf, type Described } from './plan.js';

const PROJECT = {
  ...{ ownerId: 'unknown', regionId: 'zrh', bucketId: 'b1', backupIntervalMinutes: 60, requestedBy: 'test' },
  repositoryConfigId: snapshot('c'),
};

const sizes = fc.constantFrom(0, 40, 50, 450, 500, 10_000);
const described: fc.Arbitrary<Described[]> = fc
  .array(
    fc.record({
      generation: fc.integer({ min: 1, max: 4 }),
      beganPosition: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
      minutes: fc.nat(100),
      bytes: sizes,
    }),
    { maxLength: 15 },
  )
  .map((all) =>
    all.map(({ generation, beganPosition, minutes, bytes }, index) => ({
      backupId: snapshot(10 + index),
      operationId: `op-${index}`,
      generation,
      ...(beganPosition === undefined ? {} : { beganPosition }),
      beganAt: new Date(minutes * 60_000).toISOString(),
      ...{ files: bytes === 0 ? 0 : 3, bytes },
    })),
  );

/** A project's log, and what an operator's command does with it. */
class Recovery {
  readonly log = new WholeProject();
  private position = 0;

  /** @param mostStated after so many backups the command is killed */
  run(all: readonly Described[], generation: number, { mostStated = Number.POSITIVE_INFINITY, atOnce = 2 } = {}): void {
    const project = { ...PROJECT, generation };
    const { missing } = planOf(all, this.logKnows());
    if (this.log.state === null) this.tell({ project, backups: [] });
    for (let at = 0; at < Math.min(missing.length, mostStated); at += atOnce) {
      const backups = missing.slice(at, at + atOnce).map(({ suspicions, ...of }) => recordedOf(of, suspicions));
      this.tell({ project, backups });
    }
  }

  get project(): Project {
    return this.log.whole;
  }

  /** The newest first. */
  get backups(): string[] {
    return newestFirst(this.log.all).map(({ id }) => id);
  }

  private tell(found: FoundProject): void {
    this.append(recoverProject(this.log.with(lookForFound(found)), found).events);
  }

  append(events: NewEvent<'project'>[]): void {
    for (const event of logged(events, this.position)) this.log.hear(event);
    this.position += events.length;
  }

  logKnows() {
    const knows = (id: string): boolean => this.log.get(id) !== undefined;
    return { knows, wasFound: knows, operation: () => 'unknown' as const };
  }
}

function recordedOf(of: Described, suspicions: BackupRecorded['partialBecause']): BackupRecorded {
  const { backupId, operationId, beganAt, files, bytes } = of;
  const partialBecause = ['unwitnessed' as const, ...suspicions];
  return { ...record(1, operationId, { backupId, beganAt, files, bytes, partialBecause }), hostId: 'h1' };
}

describe('a project that is recovered from its bucket', () => {
  it('has its backups in the order in which they say that they began', () => {
    fc.assert(
      fc.property(described, (all) => {
        const recovery = new Recovery();
        recovery.run(all, newGeneration(all.map(({ generation }) => generation)));
        expect(recovery.backups).toEqual(
          all
            .toSorted(asDescribed)
            .map(({ backupId }) => backupId)
            .toReversed(),
        );
      }),
    );
  });

  it('is the same however often the recovery is killed and repeated', () => {
    fc.assert(
      fc.property(described, fc.array(fc.nat(4), { maxLength: 4 }), (all, kills) => {
        const [cut, whole] = [new Recovery(), new Recovery()];
        for (const mostStated of kills) cut.run(all, 77, { mostStated, atOnce: 1 });
        cut.run(all, 78);
        whole.run(all, 77);
        const generation = kills.length === 0 ? 78 : 77;
        const order = cut.backups;
        expect(order).toEqual(whole.backups);
        expect(backupToRestore(cut.project)).toEqual(backupToRestore(whole.project));
        expect(cut.log.state).toMatchObject({ generation, hostId: null, provisioned: false, hadData: true });
        const before = structuredClone([cut.log.state, cut.log.all]);
        cut.run(all, 79);
        expect([cut.log.state, cut.log.all]).toEqual(before);
      }),
    );
  });

  it('has no backup that is suddenly empty or shrunken restored by itself, when there is a good one', () => {
    fc.assert(
      fc.property(described, (all) => {
        const recovery = new Recovery();
        recovery.run(all, 77);
        const ordered = all.toSorted(asDescribed);
        let good: Described | undefined;
        for (const each of ordered) {
          const isLoss = good !== undefined && good.files > 0 && (each.files === 0 || each.bytes * 10 <= good.bytes);
          if (!isLoss) good = each;
        }
        expect(backupToRestore(recovery.project)).toBe(good?.backupId ?? null);
      }),
    );
  });

  it('never gets a backup between others that it has: told, it would count as the newest', () => {
    fc.assert(
      fc.property(described, fc.nat(14), (all, which) => {
        const recovery = new Recovery();
        const hidden = all[which];
        const others = all.filter((each) => each !== hidden);
        recovery.run(others, 77);
        const before = recovery.backups;
        const { missing, late } = planOf(all, recovery.logKnows());
        recovery.run(all, 77);
        const after = recovery.backups;
        if (hidden === undefined) return expect(after).toEqual(before);
        const isNewest = all.toSorted(asDescribed).at(-1) === hidden;
        expect(missing.map(({ backupId }) => backupId)).toEqual(isNewest ? [hidden.backupId] : []);
        expect(late).toEqual(isNewest ? [] : [hidden]);
        expect(after).toEqual(isNewest ? [hidden.backupId, ...before] : before);
      }),
    );
  });

  it('leaves to the log what operations have come to that have ended by their hosts; nothing else is passed over', () => {
    const became = fc.constantFrom<OperationKnown>('unknown', 'open', 'given-up', 'ended');
    fc.assert(
      fc.property(described, fc.array(became, { minLength: 15, maxLength: 15 }), (all, fates) => {
        const operation = (id: string): OperationKnown => fates[Number(id.slice('op-'.length))]!;
        const { missing, late, open } = planOf(all, { knows: () => false, wasFound: () => false, operation });
        const of = (...wanted: OperationKnown[]): string[] =>
          all.map(({ operationId }) => operationId).filter((id) => wanted.includes(operation(id)));
        const ids = (some: readonly Described[]): string[] => some.map(({ operationId }) => operationId);
        expect(new Set(ids(missing))).toEqual(new Set(of('unknown', 'given-up')));
        expect(new Set(ids(open))).toEqual(new Set(of('open')));
        expect(late).toEqual([]);
      }),
    );
  });
});

describe('what a snapshot says of itself', () => {
  const description = {
    ...{ layout: 'v2', project: 'atlas', host: 'h1', generation: 2, operation: 'op-1', version: '0.1.0' },
    ...{ beganAt: '2031-02-03T04:05:06.789Z', consistency: 'live', beganPosition: 42 },
    counter: { generation: 2, epoch: 'dawn', n: 1 },
  };
  const told = (changes: object) =>
    tellingOf(
      {
        ...{ id: snapshot('a'), time: '2031-02-03T04:05:07Z', hostname: 'atlas', tags: ['operation:op-1'] },
        ...{ parent: undefined, summary: undefined, description: JSON.stringify({ ...description, ...changes }) },
      },
      'atlas',
    );

  it('is a backup of the project', () => {
    expect(told({})).toMatchObject({
      is: 'backup',
      described: { backupId: snapshot('a'), generation: 2, beganPosition: 42, operationId: 'op-1' },
      record: { hostId: 'h1', partialBecause: ['unwitnessed'] },
    });
  });

  it.each([
    ['its counter is of another generation', { counter: { generation: 3, epoch: 'dawn', n: 1 } }],
    [
      'its generation would leave none above it',
      { generation: 2 ** 31 - 1, counter: { generation: 2 ** 31 - 1, epoch: 'd', n: 1 } },
    ],
    ['its operation is no id', { operation: 'op 1' }],
  ])('is not believed when %s', (_, changes) => {
    expect(told(changes)).toMatchObject({ is: 'unbelievable' });
  });

  it('is a backup when its generation is of a recovery beside what was planted', () => {
    const generation = newGeneration([1, 2, 2 ** 30]);
    expect(told({ generation, counter: { generation, epoch: 'dawn', n: 1 } })).toMatchObject({ is: 'backup' });
  });

  it('is nothing of ours when it is of another project', () => {
    expect(told({ project: 'boreas' })).toEqual({ is: 'foreign' });
  });
});
