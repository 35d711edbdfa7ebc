import { describe, expect, it } from '@jest/globals';
import { tmpdir } from 'node:os';
import { flushFileSystem } from '../host-data/flush.js';
import { runTool, ToolFailedError } from './run-tool.js';

const LIMITS = { timeoutMs: 30_000 };

describe('a program of the system', () => {
  it('hands over what it says', async () => {
    const said: Buffer[] = [];
    await runTool('echo', ['$HOME; ls'], LIMITS, (chunk) => said.push(chunk));
    expect(Buffer.concat(said).toString()).toBe('$HOME; ls\n');
  });

  it('is named with its complaint when it fails', async () => {
    await expect(runTool('rm', ['/nowhere/at all'], LIMITS)).rejects.toThrow(/rm failed with exit code 1: .*nowhere/);
  });

  it('is named when it is not installed', async () => {
    const failure = runTool('buckets-no-such-tool', [], LIMITS);
    await expect(failure).rejects.toThrow(ToolFailedError);
    await expect(failure).rejects.toMatchObject({ absent: true });
  });

  it('reads what it is given, and is killed when that breaks off', async () => {
    const read: Buffer[] = [];
    const onOutput = (chunk: Buffer) => void read.push(chunk);
    const input = async function* (broken?: Error) {
      yield 'one, ';
      if (broken) throw broken;
      yield 'two';
    };
    await runTool('cat', [], LIMITS, onOutput, input());
    expect(Buffer.concat(read).toString()).toBe('one, two');
    const broken = new Error('no more to read');
    await expect(runTool('cat', [], LIMITS, onOutput, input(broken))).rejects.toBe(broken);
    await expect(runTool('false', [], LIMITS, undefined, input())).rejects.toThrow('false failed with exit code 1');
  });

  it('is killed at its limit', async () => {
    await expect(runTool('sleep', ['60'], { timeoutMs: 20 })).rejects.toThrow('sleep took longer than 20 ms');
  });

  it('is killed when what it works for is cancelled', async () => {
    const cancel = new AbortController();
    const running = runTool('sleep', ['60'], { ...LIMITS, signal: cancel.signal });
    const reason = new Error('cancelled');
    cancel.abort(reason);
    await expect(running).rejects.toBe(reason);
  });
});

describe('flushing to disk', () => {
  it('covers the file system of a folder', async () => {
    await expect(flushFileSystem(tmpdir(), LIMITS)).resolves.toBeUndefined();
  });

  it('fails rather than doing nothing when the folder is not there', async () => {
    await expect(flushFileSystem('/nowhere/at all', LIMITS)).rejects.toThrow(ToolFailedError);
  });
});
