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

/** Adds the runs up. A run without a result counts as one failure, and so does each file that could not be run. */
export function summarise(results: readonly (JestResult | undefined)[]): Summary {
  const sum = (count: (result: JestResult) => number, without: number) =>
    results.reduce((total, result) => total + (result === undefined ? without : count(result)), 0);
  const passed = sum((result) => result.numPassedTests, 0);
  const failed = sum((result) => result.numFailedTests + result.numRuntimeErrorTestSuites, 1);
  const skipped = sum((result) => result.numPendingTests + result.numTodoTests, 0);
  const leftOut = results
    .flatMap((result) => result?.testResults ?? [])
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'pending' || status === 'todo')
    .map(({ fullName }) => fullName);
  return {
    line: `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
    leftOut,
    ok: passed > 0 && failed === 0,
  };
}
