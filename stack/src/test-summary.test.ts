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
  it('adds the runs up', () => {
    const summary = summarise([result({ numPassedTests: 3 }), result({ numPassedTests: 4 })]);
    expect(summary).toEqual({ line: '7 passed, 0 failed', leftOut: [], ok: true });
  });

  it('names what was left out', () => {
    const assertionResults = [
      { fullName: 'needs root', status: 'pending' },
      { fullName: 'works', status: 'passed' },
    ];
    const summary = summarise([result({ numPassedTests: 1, numPendingTests: 1, testResults: [{ assertionResults }] })]);
    expect(summary).toEqual({ line: '1 passed, 0 failed, 1 skipped', leftOut: ['needs root'], ok: true });
  });

  it.each([
    ['a failed test', [result({ numPassedTests: 1, numFailedTests: 1 })], '1 passed, 1 failed'],
    ['a file that cannot be run', [result({ numPassedTests: 1, numRuntimeErrorTestSuites: 1 })], '1 passed, 1 failed'],
    ['a run without a result', [result({ numPassedTests: 1 }), undefined], '1 passed, 1 failed'],
    ['that nothing ran', [result({})], '0 passed, 0 failed'],
  ])('is no success with %s', (_, results, line) => {
    expect(summarise(results)).toMatchObject({ line, ok: false });
  });
});
