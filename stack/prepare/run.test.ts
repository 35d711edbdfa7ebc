import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const RUN = join(import.meta.dirname, 'run.mjs');

test('where one of two things fails, the programs of the other are ended and no new ones begin', async () => {
  const script = `
    import { run, together } from ${JSON.stringify(RUN)};
    const said = [];
    const begun = Promise.withResolvers();
    const error = await together(
      async () => {
        await begun.promise;
        throw new Error('the first one');
      },
      () => run('sh', ['-c', 'echo $$; exec sleep 600'], { onLine: (pid) => begun.resolve(said.push(pid)) }),
    ).catch((error) => error);
    const later = await run('true', []).catch((error) => error);
    let gone = false;
    try { process.kill(Number(said[0]), 0); } catch { gone = true; }
    console.log(JSON.stringify({ error: error.message, later: later.message, gone }));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);

  expect(JSON.parse(stdout)).toEqual({ error: 'the first one', later: 'the first one', gone: true });
});
