import { MAX_LISTED, type FileProblems, type OperationEndedClaim } from '@buckets/contracts';
import { seal } from '@buckets/vault/sealing';
import type { Ending } from './operation.js';

const MAX_REASON = 2_000;
const MAX_PATH = 500;

/** People's text (names of files, what a command printed) leaves the host sealed with the project's data key. */
export function sealEnding(
  ending: Ending,
  { projectId, dataKey }: { projectId: string; dataKey: string },
): Pick<OperationEndedClaim, 'outcome' | 'code' | 'reason' | 'result' | 'backup' | 'provisioned' | 'running'> {
  const key = Buffer.from(dataKey, 'base64');
  const sealed = (field: string, text: string) => seal(key, text, { thing: 'project', id: projectId, field });
  const problems = ({ total, first }: FileProblems): FileProblems => ({
    total,
    first: first.slice(0, MAX_LISTED).map(({ path, reason }) => ({
      path: sealed('path', path.slice(0, MAX_PATH)),
      reason: sealed('path', reason.slice(0, MAX_PATH)),
    })),
  });
  const { reason, result, backup, ...rest } = ending;
  const { restore, hook } = result ?? {};
  return {
    ...rest,
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
    ...(backup === undefined ? {} : { backup: { ...backup, unreadable: problems(backup.unreadable) } }),
  };
}
