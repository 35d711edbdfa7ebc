import { expect, it, jest } from '@jest/globals';
import { Refused, Unanswered } from '@buckets/log';
import fc from 'fast-check';
import { NOON, trialTables } from '../tables/testing/trial-tables.js';
import { DueTables } from './due-tables.js';
import { DueWork } from './due-work.js';
import { dueRow, insertDue } from './testing/due-rows.js';

jest.setTimeout(120_000);

const HOUR = 60 * 60_000;

const data = trialTables();

const refusal = { code: 'no', detail: 'No.', retry: false };
type Answer = 'accepted' | 'accepted, and not shown yet' | 'refused' | 'unanswered';

/** What may happen next: work turns up, time passes or a clock is set back, and somebody looks. */
interface Step {
  turnsUp: { lane: string; inMs: number }[];
  passesMs: number;
  answer: Answer;
  /** Another copy leads from now on. */
  takesOver: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  turnsUp: fc.array(
    fc.record({ lane: fc.constantFrom('h1', 'h2', 'h3'), inMs: fc.integer({ min: -HOUR, max: HOUR }) }),
    { maxLength: 4 },
  ),
  passesMs: fc.integer({ min: -HOUR, max: 2 * HOUR }),
  answer: fc.constantFrom<Answer>('accepted', 'accepted, and not shown yet', 'refused', 'unanswered'),
  takesOver: fc.boolean(),
});

it('however clocks go, whatever is answered and whoever leads: nothing is early, nothing soon again, nothing left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      await data().query('DELETE FROM scheduler.due');
      let now = NOON;
      let answer: Answer = 'accepted';
      const dueAt = new Map<string, number>();
      const lastAsked = new Map<string, number>();
      /** An error that is thrown while it is asked would count as an answer. */
      const wrong: string[] = [];
      const carryOut = async ({ thingId }: { thingId: string }) => {
        const last = lastAsked.get(thingId);
        if (now < dueAt.get(thingId)!) wrong.push(`${thingId} was asked for early`);
        // Half of the first pause after no answer, at least.
        if (last !== undefined && now < last + 2_000) wrong.push(`${thingId} was asked for again at once`);
        lastAsked.set(thingId, now);
        if (answer === 'refused') throw new Refused(refusal);
        if (answer === 'unanswered') throw new Unanswered('s', null);
        if (answer === 'accepted') await data().query('DELETE FROM scheduler.due WHERE thing_id = $1', [thingId]);
        return 'requested' as const;
      };
      const leader = () =>
        new DueWork(
          { kind: 'backup', afterMs: 0, perLane: 2, counts: [], failed: 'No.', carryOut },
          {
            tables: new DueTables(data()),
            position: () => 0,
            reaches: () => Promise.resolve(true),
            endOfLog: () => Promise.resolve(1),
            log: { warn: () => undefined },
            ...{ tickMs: 1_000, atMost: 5, steadyNow: () => 0 },
          },
        );
      let leads = leader();
      const look = async (): Promise<void> => {
        while (await leads.round(now)) continue;
      };
      for (const each of steps) {
        now += each.passesMs;
        answer = each.answer;
        if (each.takesOver) leads = leader();
        const rows = each.turnsUp.map(({ lane, inMs }, index) => dueRow(`p-${dueAt.size + index}`, lane, now + inMs));
        for (const row of rows) dueAt.set(row.thing_id, row.due_at);
        await insertDue(data(), rows);
        await look();
      }
      answer = 'accepted';
      now += 12 * HOUR * steps.length;
      await look();
      expect(wrong).toEqual([]);
      expect(await data().query('SELECT thing_id FROM scheduler.due')).toEqual([]);
      expect(new Set(lastAsked.keys())).toEqual(new Set(dueAt.keys()));
    }),
    { numRuns: 25 },
  );
});
