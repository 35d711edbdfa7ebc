import { describe, expect, it } from '@jest/globals';
import { until } from '@buckets/patience';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { environmentOf, launcherOf } from './environment.js';
import { RunFolder } from '../processes/run-folders.js';
import { identify } from '../processes/system-process.js';
import { WAITED_FOR } from './testing/bench.js';

const launcher = await launcherOf();
const folder = new RunFolder('/run/of/this', () => {});

describe('the environment of a run', () => {
  it('holds nothing of this process but what it was given', () => {
    const environment = environmentOf(folder, { limits: { threads: 2 }, environment: { HTTPS_PROXY: 'http://proxy' } });
    const { SSL_CERT_FILE: _bundle, ...others } = environment;
    expect(others).toEqual({
      PATH: expect.stringContaining('/usr/bin:'),
      HOME: '/run/of/this',
      TMPDIR: '/run/of/this',
      TZ: 'UTC',
      LANG: 'C',
      RUST_BACKTRACE: '0',
      RUSTIC_USE_PROFILE: '/run/of/this/profile.toml',
      RAYON_NUM_THREADS: '2',
      TOKIO_WORKER_THREADS: '2',
      HTTPS_PROXY: 'http://proxy',
    });
  });

  it('takes the certificates that it is told to take', () => {
    expect(environmentOf(folder, { environment: { SSL_CERT_FILE: '/own.pem' } })['SSL_CERT_FILE']).toBe('/own.pem');
  });
});

describe('the start of a run', () => {
  it('yields to others when it is told to', async () => {
    const words = (await launcherOf({ niceness: 10, ioPriority: 'idle' })).join(' ');
    expect(words).toMatch(/nice -n 10 ionice -c3$/);
  });

  (launcher.includes('setpriv') ? it : it.skip)(
    'ties it to the worker: when that is killed, so is the run',
    async () => {
      const worker = spawn(process.execPath, [
        '-e',
        `const { spawn } = require('node:child_process');
       const [file, ...args] = ${JSON.stringify([...launcher, 'sleep', '1000'])};
       console.log(spawn(file, args, { detached: true, stdio: 'ignore' }).pid);
       setInterval(() => {}, 1000);`,
      ]);
      const [output] = (await once(worker.stdout, 'data')) as [Buffer];
      const pid = Number(output.toString());
      await until(() => identify(pid), WAITED_FOR);
      worker.kill('SIGKILL');
      await until(() => identify(pid) === undefined, WAITED_FOR);
    },
  );
});
