import { describe, expect, it } from '@jest/globals';
import { summarise, type JestResult } from './test-summary.js';

const result = (some: Partial<JestResult>): JestResult => ({
  numPassedTests: 0,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  numRuntimeErrorTestSuites: 0,
  testResults: [],
  ...some,
});

describe('the last line of a test run', () => {
  it('says how many passed', () => {
    expect(summarise(result({ numPassedTests: 7 }))).toEqual({ line: '7 passed, 0 failed', leftOut: [], ok: true });
  });

  it('names what was left out', () => {
    const assertionResults = [
      { fullName: 'needs root', status: 'pending' },
      { fullName: 'works', status: 'passed' },
    ];
    const summary = summarise(result({ numPassedTests: 1, numPendingTests: 1, testResults: [{ assertionResults }] }));
    expect(summary).toEqual({ line: '1 passed, 0 failed, 1 skipped', leftOut: ['needs root'], ok: true });
  });

  it.each([
    ['a failed test', result({ numPassedTests: 1, numFailedTests: 1 }), '1 passed, 1 failed'],
    ['a file that cannot be run', result({ numPassedTests: 1, numRuntimeErrorTestSuites: 1 }), '1 passed, 1 failed'],
    ['no result', undefined, '0 passed, 1 failed'],
    ['that nothing ran', result({}), '0 passed, 0 failed'],
  ])('is no success with %s', (_, run, line) => {
    expect(summarise(run)).toMatchObject({ line, ok: false });
  });
});
