import { MAX_LISTED, type FileProblems, type OperationEndedClaim } from '@buckets/contracts';
import { seal } from '@buckets/vault/sealing';
import type { Ending } from './operation.js';

const MAX_REASON = 2_000;
const MAX_PATH = 1_000;
const MAX_LEFT = 10;
const MAX_SENTENCE = 500;
/** Of one list, sealed: two of them and all else fit into a message. */
const MAX_LIST_BYTES = 96 * 1024;

/** People's text (names of files, what a command printed) leaves the host sealed with the project's data key. */
export function sealEnding(
  ending: Ending,
  { projectId, dataKey }: { projectId: string; dataKey: string },
): Pick<OperationEndedClaim, keyof Ending> {
  const key = Buffer.from(dataKey, 'base64');
  const sealed = (field: string, text: string) => seal(key, text, { thing: 'project', id: projectId, field });
  const problems = ({ total, first }: FileProblems): FileProblems => {
    const list: FileProblems['first'] = [];
    let bytes = 0;
    for (const problem of first.slice(0, MAX_LISTED)) {
      const path = sealed('path', problem.path.slice(0, MAX_PATH));
      const reason = sealed('path', problem.reason.slice(0, MAX_PATH));
      bytes += path.length + reason.length;
      if (bytes > MAX_LIST_BYTES) break;
      list.push({ path, reason });
    }
    return { total, first: list };
  };
  const { reason, result, backup, left, ...rest } = ending;
  const { restore, hook } = result ?? {};
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
            ...(hook === undefined ? {} : { hook: { ...hook, output: sealed('output', hook.output) } }),
          },
        }),
    ...(backup === undefined
      ? {}
      : {
          backup: {
            ...backup,
            unreadable: problems(backup.unreadable),
            ...(backup.changedWhileRead === undefined ? {} : { changedWhileRead: problems(backup.changedWhileRead) }),
          },
        }),
  };
}
