import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { dropLock, identityOf, isAlive, readLock, takeLock } from './lock.mjs';

describe('a lock', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'buckets lock '));
    file = join(folder, 'a.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs a process that tries to take the lock and prints what it got; it then waits to be ended. */
  const taker = () => {
    const script = `import { takeLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.mjs'))};
      console.log(takeLock(${JSON.stringify(file)}) === undefined ? 'taken' : 'refused');
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return { child, said: once(child.stdout, 'data').then(([data]) => String(data).trim()) };
  };
  const kill = async ({ child }: ReturnType<typeof taker>) => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };

  it('is held by one living process at a time, who says who it is', async () => {
    const holder = taker();
    expect(await holder.said).toBe('taken');
    expect(takeLock(file)?.holder?.pid).toBe(holder.child.pid);
    await kill(holder);
    expect(takeLock(file)).toBeUndefined();
    expect(readLock(file)?.holder).toEqual(identityOf(process.pid));
  });

  it('is free again when its holder lets go', () => {
    expect(takeLock(file)).toBeUndefined();
    dropLock(file);
    expect(readLock(file)).toBeUndefined();
    expect(takeLock(file)).toBeUndefined();
  });

  it('does not take another process that got the dead holder’s number for the holder', () => {
    writeFileSync(file, JSON.stringify({ holder: { pid: process.pid, started: 'another time' } }));
    const taken: unknown[] = [];
    expect(takeLock(file, (dead) => taken.push(dead.holder?.started))).toBeUndefined();
    expect(taken).toEqual(['another time']);
  });

  it('is taken over although what is written in it was cut short', () => {
    writeFileSync(file, '{"holder":');
    expect(takeLock(file)).toBeUndefined();
  });

  it('goes to exactly one of those who find its holder dead', async () => {
    writeFileSync(file, JSON.stringify({ holder: { pid: 1, started: 'long ago' } }));
    const takers = Array.from({ length: 4 }, taker);
    const said = await Promise.all(takers.map((each) => each.said));
    expect(said.toSorted()).toEqual(['refused', 'refused', 'refused', 'taken']);
    expect(readdirSync(folder)).toEqual(['a.lock']);
    await Promise.all(takers.map(kill));
  });

  it('tells a living process from a dead one', async () => {
    const other = taker();
    const identity = identityOf(other.child.pid!)!;
    expect(isAlive(identity)).toBe(true);
    await other.said;
    await kill(other);
    expect(isAlive(identity)).toBe(false);
  });
});
