import { expect, it, jest } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { asMarkdown } from './faults/report.js';
import { runFaults } from './faults/run-faults.js';

/** Set by `npm run test:faults`; without them a short run with a seed that stays the same: one with a clock that is a day off. */
const {
  FAULTS_SEED: seed = '26',
  FAULTS_ROUNDS: rounds,
  FAULTS_MINUTES: minutes,
  FAULTS_REPORT: reportFile,
} = process.env;

const ROUNDS = 12;
const ROUND_MS = 6_000;
const CHECKS_MS = 20 * 60_000;

const plan = {
  seed: Number(seed),
  ...(rounds === undefined && minutes === undefined ? { rounds: ROUNDS } : {}),
  ...(rounds === undefined ? {} : { rounds: Number(rounds) }),
  ...(minutes === undefined ? {} : { minutes: Number(minutes) }),
};
const longestMs = Math.min((plan.rounds ?? Infinity) * ROUND_MS, (plan.minutes ?? Infinity) * 60_000) + CHECKS_MS;
jest.setTimeout(longestMs);

const again = `npm run test:faults -- --seed ${plan.seed}${plan.rounds ? ` --rounds ${plan.rounds}` : ''}${plan.minutes ? ` --minutes ${plan.minutes}` : ''}`;

it('nothing is lost, doubled, left behind or in progress for ever, whatever part fails at whatever moment', async () => {
  const said: string[] = [];
  const isWatched = reportFile !== undefined;
  const say = (line: string) => void (isWatched ? process.stderr.write(`${line}\n`) : said.push(line));
  try {
    const report = await runFaults({ ...plan, restores: isWatched ? 5 : 2, say });
    if (isWatched) await writeFile(reportFile, JSON.stringify({ ...report, markdown: asMarkdown(report) }, null, 2));
    expect(report.losses).toEqual([]);
    expect(report.restoresCompared).toBeGreaterThan(0);
  } catch (error) {
    process.stderr.write(`${said.join('\n')}\nThe same plan again: ${again}\n`);
    throw error;
  }
});
