import { execFileSync } from 'node:child_process';

/** Root's tests run as this user what has to work for an ordinary one: "nobody". */
export const ORDINARY_USER = 65_534;

/** Runs something with the rights of an ordinary user; whoever is one already just runs it. */
export async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.setegid?.(ORDINARY_USER);
  process.seteuid?.(ORDINARY_USER);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** Gives a folder with all that is in it to the user as whom `asOrdinaryUser` runs. */
export function giveToOrdinaryUser(folder: string): void {
  if (process.geteuid?.() === 0) execFileSync('chown', ['-R', `${ORDINARY_USER}:${ORDINARY_USER}`, folder]);
}
