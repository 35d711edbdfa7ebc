import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { identityOf, isAlive } from '../../prepare/lock.mjs';
import { patience, until } from '@buckets/patience';
import { PartFailed, Supervised, type Part } from './supervised.js';

describe('a supervised process', () => {
  let folder: string;
  let notes: string[];
  let lines: string[];
  const all: Supervised[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'buckets supervised '));
    [notes, lines] = [[], []];
  });
  afterEach(async () => {
    await Promise.all(all.splice(0).map((each) => each.stop()));
    rmSync(folder, { recursive: true });
  });

  /** A shell script stands in for a server: it is ready when it has made the file `ready`. */
  const supervise = (script: string, part: Partial<Part> = {}) => {
    const said = {
      line: (_: string, line: string) => void lines.push(line),
      note: (_: string, note: string) => void notes.push(note),
      changed: () => undefined,
    };
    const process = new Supervised(
      {
        name: 'stand-in',
        command: () => {
          rmSync(join(folder, 'ready'), { force: true });
          const env = { PATH: globalThis.process.env.PATH };
          return Promise.resolve({ file: '/bin/sh', args: ['-c', script], cwd: folder, env });
        },
        ready: () => Promise.resolve(existsSync(join(folder, 'ready'))),
        stopWith: 'SIGTERM',
        ...part,
      },
      said,
    );
    all.push(process);
    return process;
  };
  const serve = 'touch ready; while :; do sleep 0.05; done';
  const untilTold = 'printf x >> starts; touch ready; while ! [ -e told ]; do sleep 0.02; done;';
  const tell = () => writeFileSync(join(folder, 'told'), '');
  const starts = () => readFileSync(join(folder, 'starts'), 'utf8').length;

  it('has started when it is ready', async () => {
    const process = supervise(`echo hello; ${serve}`);
    await process.start();
    expect(existsSync(join(folder, 'ready'))).toBe(true);
    expect(lines).toEqual(['hello']);
    expect(identityOf(process.pid!)).toBeDefined();
  });

  it('fails to start with its last words when it ends first', async () => {
    const process = supervise('echo no such thing >&2; exit 3');
    await expect(process.start()).rejects.toThrow(
      new PartFailed('stand-in', 'ended with exit code 3 before it was ready', ['no such thing']),
    );
    expect(process.pid).toBeUndefined();
  });

  it('fails to start with the first errors that it said, however much it has said since', async () => {
    const process = supervise('echo ERROR the disk is gone; for n in $(seq 30); do echo waiting $n; done; exit 3');
    const failure = await process.start().catch((error: Error) => error.message);
    expect(failure).toMatch(/ERROR the disk is gone\n  waiting 11\n[^]*waiting 30$/);
  });

  describe('that says what it lacks', () => {
    const lacks = (needsOperator: boolean) => ({
      failing: () => Promise.resolve([{ check: 'log', reason: 'There is none. Run restore-log.', needsOperator }]),
      readyWithinMs: 200,
    });
    const serveUnready = 'while :; do sleep 0.05; done';

    it('fails to start with that, when it is not ready in time', async () => {
      const starting = supervise(serveUnready, lacks(false)).start({ mayWait: true });
      await expect(starting).rejects.toThrow(
        /not ready within .*What it lacks:\n  log: There is none. Run restore-log.\nIts/,
      );
    });

    it('has started when an operator has to see to it, where it may wait for one; else it fails with that', async () => {
      const process = supervise(serveUnready, lacks(true));
      await process.start({ mayWait: true });
      expect(identityOf(process.pid!)).toBeDefined();
      expect(await process.failing()).toMatchObject([{ check: 'log' }]);
      const other = supervise(serveUnready, lacks(true));
      await expect(other.start()).rejects.toThrow('Run restore-log.');
      expect(other.pid).toBeUndefined();
    });
  });

  it('fails to start with what it says over and over told once', async () => {
    const line = (second: number) => `{"time":"2026-01-02T03:04:0${second}.000Z","level":"warn","message":"No stream"}`;
    const failure = supervise(`echo '${line(1)}'; echo '${line(2)}'; exit 3`).start();
    await expect(failure).rejects.toThrow(/ready. Its last words:\n  03:04:0[12].000 WARN No stream$/);
  });

  it('fails to start when it is not ready in time, and is ended', async () => {
    const process = supervise('sleep 100', { readyWithinMs: 200 });
    await expect(process.start()).rejects.toThrow(`stand-in was not ready within ${(200 * patience()) / 1000} s`);
    expect(process.pid).toBeUndefined();
  });

  it('fails to start when there is nothing to run', async () => {
    const process = supervise('', { command: () => Promise.reject(new Error('the disk is full')) });
    await expect(process.start()).rejects.toThrow('could not be started (the disk is full)');
  });

  it('is started again each time it ends unasked, with a growing pause', async () => {
    const process = supervise(`${untilTold} if [ $(wc -c < starts) -lt 4 ]; then exit 1; fi; ${serve}`);
    await process.start();
    tell();
    await until(() => starts() === 4);
    await until(() => process.pid !== undefined);
    expect(notes).toEqual([0.25, 0.5, 1].map((pause) => `ended with exit code 1; starting it again in ${pause} s`));
  });

  it('stays down when it was stopped in the pause before a restart', async () => {
    const process = supervise(`${untilTold} exit 1`);
    await process.start();
    tell();
    await until(() => notes.length === 1);
    await process.stop();
    expect([starts(), process.pid]).toEqual([1, undefined]);
  });

  it('is ended when it is deaf, with all that it has started', async () => {
    const process = supervise(`trap '' TERM; sleep 100 & echo $! > sleeper; ${serve}`, { stopWithinMs: 200 });
    await process.start();
    const sleeper = identityOf(Number(readFileSync(join(folder, 'sleeper'), 'utf8')))!;
    await process.stop();
    expect(isAlive(sleeper)).toBe(false);
    expect(notes).toEqual(['did not stop within 0.2 s, so it was ended']);
  });

  it('stays down after a kill until it is started', async () => {
    const process = supervise(`printf x >> starts; ${serve}`);
    await process.start();
    await process.kill('SIGKILL');
    expect([process.pid, notes]).toEqual([undefined, []]);
    await process.start();
    expect(starts()).toBe(2);
  });

  it('does nothing while it is frozen, and can be thawed and stopped', async () => {
    const process = supervise('touch ready; while :; do printf x >> ticks; sleep 0.01; done');
    await process.start();
    const ticks = () => readFileSync(join(folder, 'ticks'), 'utf8').length;
    process.freeze();
    await until(() => stateOf(process.pid!) === 'T');
    const before = ticks();
    process.thaw();
    await until(() => ticks() > before);
    process.freeze();
    await process.stop();
    expect(process.pid).toBeUndefined();
  });

  it('shows the lines that are worth seeing, and keeps the others for when it fails', async () => {
    const process = supervise('echo chatter; echo WARN; exit 1', { worthSeeing: (line) => line.startsWith('WARN') });
    await expect(process.start()).rejects.toThrow('chatter');
    expect(lines).toEqual(['WARN']);
  });
});

function stateOf(pid: number): string | undefined {
  return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
}
