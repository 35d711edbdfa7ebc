/** What a run of the suite comes to; all that is counted. */
export interface Report {
  seed: number;
  rounds: number;
  minutes: number;
  faults: Record<string, number>;
  /** Faults that found nothing to harm: no rustic ran, or what was to be killed was down. */
  faultsWithoutEffect: number;
  /** Commands of the plan for which a project had no time, or was not in the state. */
  stepsLeftOut: number;
  requests: { accepted: number; refused: Record<string, number>; repeated: number; unfit: Record<string, number> };
  /** Looks at what had been told of and could not be found, each time for some seconds at most. */
  /** By kind, then by outcome. */
  operations: Record<string, Record<string, number>>;
  failures: Record<string, number>;
  messagesInLog: number;
  snapshotsChecked: number;
  orphans: number;
  /** Backups with files that changed while they were read, and with some that could not be read. */
  changedWhileRead: number;
  withUnreadableFiles: number;
  restoresCompared: number;
  filesCompared: number;
  bytesCompared: number;
  leftOut: string[];
  /** What was not as it has to be. */
  losses: string[];
}

export function counted(names: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of [...names].toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** As tables for a page of the documentation. */
export function asMarkdown(report: Report): string {
  const rows = (counts: Record<string, number>) =>
    Object.entries(counts).map(([name, count]) => `| ${name} | ${count} |`);
  const outcomes = [...new Set(Object.values(report.operations).flatMap((by) => Object.keys(by)))].toSorted();
  const total = Object.values(report.operations)
    .flatMap((by) => Object.values(by))
    .reduce((sum, n) => sum + n, 0);
  const { accepted, repeated, refused, unfit } = report.requests;
  return [
    `Seed ${report.seed}, ${report.rounds} rounds, ${report.minutes.toFixed(1)} minutes.`,
    '',
    '| what | how many |',
    '| --- | --- |',
    ...rows({
      faults: Object.values(report.faults).reduce((sum, n) => sum + n, 0),
      'of them with nothing to harm': report.faultsWithoutEffect,
      'commands left out for want of time or of what they need': report.stepsLeftOut,
      'requests accepted': accepted,
      'requests sent again for want of an answer': repeated,
      operations: total,
      'messages in the log': report.messagesInLog,
      'snapshots checked': report.snapshotsChecked,
      'of them orphans': report.orphans,
      'backups in which files changed while they were read': report.changedWhileRead,
      'backups with unreadable files': report.withUnreadableFiles,
      'restores compared': report.restoresCompared,
      'files compared': report.filesCompared,
      'bytes compared': report.bytesCompared,
      '**losses**': report.losses.length,
    }),
    '',
    '| fault | times |',
    '| --- | --- |',
    ...rows(report.faults),
    '',
    `| operation | ${outcomes.join(' | ')} |`,
    `| --- |${' --- |'.repeat(outcomes.length)}`,
    ...Object.entries(report.operations).map(
      ([kind, by]) => `| ${kind} | ${outcomes.map((outcome) => by[outcome] ?? 0).join(' | ')} |`,
    ),
    '',
    '| why operations did not succeed | times |',
    '| --- | --- |',
    ...rows(report.failures),
    '',
    `Refused: ${JSON.stringify(refused)}. Not now: ${JSON.stringify(unfit)}.`,
    ...report.leftOut.map((left) => `Left out: ${left}.`),
    ...report.losses.map((loss) => `**Not as it has to be:** ${loss}`),
    '',
  ].join('\n');
}
