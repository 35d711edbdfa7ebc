import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { besides } from './files.mjs';

/**
 * The identity of a living process; undefined when there is none (a zombie counts as none). Its number alone would
 * not do, as it is given out again: with it goes the moment of its start (proc(5), stat, field 22, in ticks since
 * the machine's start) and the start's own id.
 */
export function identityOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything: what follows the last bracket is safe to split.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { pid, started: `${boot}:${fields[18]}` };
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  }
}

export function isAlive(identity) {
  return identityOf(identity.pid)?.started === identity.started;
}

/**
 * Takes a lock, which is a file that names the process that holds it. One whose holder has died is taken over.
 *
 * @returns what a living holder has written into it; undefined when the lock is ours now
 */
export function takeLock(file, onTakeOver = () => undefined) {
  mkdirSync(dirname(file), { recursive: true });
  const mine = besides(file);
  writeFileSync(mine, JSON.stringify({ holder: identityOf(process.pid) }), { flag: 'wx', mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(mine, file); // Fails when the file is there; never shows half of it.
        return undefined;
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
      const held = readLock(file);
      if (held?.holder && isAlive(held.holder)) return held;
      if (held) takeAway(file, held, onTakeOver);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** What the holder has written; undefined when nobody holds the lock. */
export function readLock(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return { holder: undefined };
    throw error;
  }
}

/** Only its holder may let go of a lock. */
export function dropLock(file) {
  rmSync(file, { force: true });
}

/** Another may have taken the dead holder's lock over in between: then its lock is put back. */
function takeAway(file, dead, onTakeOver) {
  const aside = besides(file);
  try {
    renameSync(file, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const taken = readLock(aside);
  if (taken?.holder && isAlive(taken.holder)) renameSync(aside, file);
  else {
    rmSync(aside, { force: true });
    onTakeOver(dead);
  }
}
