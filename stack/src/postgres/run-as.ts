import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from '../processes/keep.js';

/** How a program of PostgreSQL is run, which refuses to run as root. */
export interface RunAs {
  readonly wrap: (command: Command) => Command;
  /** Gives a file or folder to the user that it runs as. */
  readonly own: (path: string) => void;
}

/** Postgres can be run by nobody here. */
export class NobodyToRunPostgres extends Error {
  readonly code = 'nobody-to-run-postgres';
}

const AS_IT_IS: RunAs = { wrap: (command) => command, own: () => undefined };

/**
 * An ordinary user runs Postgres as oneself. Root runs it as the user `postgres`, made where there is none; where
 * that user cannot reach the folder (a clone below /root), as a user who is ordinary only within a namespace of its own.
 *
 * @throws {NobodyToRunPostgres} saying what to do
 */
export function runPostgresAs(folder: string, program: string): RunAs {
  if (process.getuid?.() !== 0) return AS_IT_IS;
  // Once made, the database stays with its owner.
  const owner = existsSync(folder) ? statSync(folder).uid : undefined;
  const user = owner === 0 ? undefined : postgresUser();
  if (user !== undefined && canReach(user, dirname(folder), program)) {
    return { wrap: (command) => ({ ...command, user }), own: (path) => chownSync(path, user.uid, user.gid) };
  }
  if (spawnSync(NAMESPACE[0], [...NAMESPACE.slice(1), 'true']).status === 0) {
    return {
      wrap: (command) => ({
        ...command,
        file: NAMESPACE[0],
        args: [...NAMESPACE.slice(1), command.file, ...command.args],
      }),
      own: () => undefined,
    };
  }
  throw new NobodyToRunPostgres(
    `Postgres does not run as root, and its own user cannot get into ${folder}: put the clone into a folder that all ` +
      'users may pass through (such as /srv), or run this as an ordinary user.',
  );
}

/** The numbers are those of nobody, as the user needs a name. */
const NAMESPACE = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'] as const;

interface User {
  readonly uid: number;
  readonly gid: number;
}

function postgresUser(): User | undefined {
  const found = idsOf('postgres');
  if (found !== undefined) return found;
  const made = spawnSync('useradd', [
    '--system',
    '--user-group',
    '--no-create-home',
    '--shell',
    '/bin/false',
    'postgres',
  ]);
  return made.status === 0 ? idsOf('postgres') : undefined;
}

function idsOf(name: string): User | undefined {
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined; // No such user.
  }
}

function canReach(user: User, folder: string, program: string): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1" && test -x "$2"', 'sh', folder, program], user).status === 0;
}
