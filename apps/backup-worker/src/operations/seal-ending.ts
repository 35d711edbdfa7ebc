import {
  MAX_LISTED,
  type BackupRecord,
  type FileProblems,
  type HookResult,
  type OperationEndedClaim,
  type Sayings,
} from '@buckets/contracts';
import { seal } from '@buckets/vault/sealing';
import type { Ending } from './operation.js';

const MAX_REASON = 2_000;
const MAX_PATH = 1_000;
const MAX_LEFT = 10;
const MAX_SENTENCE = 500;
/** Of one list, and of all of them, sealed: these and all else fit into a message. */
const MAX_LIST_BYTES = 96 * 1024;
const MAX_LISTS_BYTES = 2 * MAX_LIST_BYTES;

/** People's text (names of files, what a command printed) leaves the host sealed with the project's data key. */
export function sealEnding(
  ending: Ending,
  { projectId, dataKey }: { projectId: string; dataKey: string },
): Pick<OperationEndedClaim, keyof Ending> {
  const key = Buffer.from(dataKey, 'base64');
  const sealed = (field: string, text: string) => seal(key, text, { thing: 'project', id: projectId, field });
  let room = MAX_LISTS_BYTES;
  const firstOf = <T>(first: readonly T[], sealOne: (one: T) => T, textsOf: (one: T) => string[]): T[] => {
    const list: T[] = [];
    let bytes = 0;
    for (const one of first.slice(0, MAX_LISTED).map(sealOne)) {
      bytes += textsOf(one).join('').length;
      if (bytes > Math.min(MAX_LIST_BYTES, room)) break;
      list.push(one);
    }
    room -= list.flatMap(textsOf).join('').length;
    return list;
  };
  const path = (text: string): string => sealed('path', text.slice(0, MAX_PATH));
  const problems = ({ total, first }: FileProblems): FileProblems => ({
    total,
    first: firstOf(
      first,
      (problem) => ({ path: path(problem.path), reason: path(problem.reason) }),
      (problem) => [problem.path, problem.reason],
    ),
  });
  const sayings = ({ total, first }: Sayings): Sayings => ({ total, first: firstOf(first, path, (text) => [text]) });
  const { reason, result, backup, left, ...rest } = ending;
  const { restore, hook, afterCommand } = result ?? {};
  const printed = (command: HookResult): HookResult => ({ ...command, output: sealed('output', command.output) });
  return {
    ...rest,
    ...(left === undefined ? {} : { left: left.slice(0, MAX_LEFT).map((sentence) => sentence.slice(0, MAX_SENTENCE)) }),
    ...(reason === undefined ? {} : { reason: sealed('reason', reason.slice(0, MAX_REASON)) }),
    ...(result === undefined
      ? {}
      : {
          result: {
            ...result,
            ...(restore === undefined
              ? {}
              : { restore: { ...restore, problems: problems(restore.problems), lacks: problems(restore.lacks) } }),
            ...(hook === undefined ? {} : { hook: printed(hook) }),
            ...(afterCommand === undefined ? {} : { afterCommand: printed(afterCommand) }),
          },
        }),
    ...(backup === undefined ? {} : { backup: sealedBackup(backup, problems, sayings) }),
  };
}

/** What is a loss comes first, as it may take the room of what is none. */
function sealedBackup(
  backup: BackupRecord,
  problems: (list: FileProblems) => FileProblems,
  sayings: (list: Sayings) => Sayings,
): BackupRecord {
  const { unreadable, warnings, vanished, changedWhileRead } = backup;
  return {
    ...backup,
    unreadable: problems(unreadable),
    ...(warnings === undefined ? {} : { warnings: sayings(warnings) }),
    ...(vanished === undefined ? {} : { vanished: problems(vanished) }),
    ...(changedWhileRead === undefined ? {} : { changedWhileRead: problems(changedWhileRead) }),
  };
}
