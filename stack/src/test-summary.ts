/** What we read of the result that Jest writes with `--json`. */
export interface JestResult {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  /** Files that could not even be run. */
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

export interface Summary {
  /** `N passed, N failed`, with `, N skipped` if any. */
  readonly line: string;
  /** The names of the tests that were skipped. */
  readonly leftOut: readonly string[];
  /** Whether something ran and nothing failed. */
  readonly ok: boolean;
}

/** Sums a run up. A run without a result counts as one failure, and so does each file that could not be run. */
export function summarise(result: JestResult | undefined): Summary {
  if (result === undefined) return { line: '0 passed, 1 failed', leftOut: [], ok: false };
  const passed = result.numPassedTests;
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
  const skipped = result.numPendingTests + result.numTodoTests;
  const leftOut = result.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'pending' || status === 'todo')
    .map(({ fullName }) => fullName);
  return {
    line: `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
    leftOut,
    ok: passed > 0 && failed === 0,
  };
}
