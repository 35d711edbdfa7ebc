import { readFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';

export interface Mount {
  /** Where it is mounted. */
  point: string;
  /** All that the kernel says of it (proc_pid_mountinfo(5)). */
  line: string;
}

/**
 * The mount points at or below a folder that exists. A mounted folder cannot be renamed, and whatever is mounted below one
 * would be removed along with it.
 */
export async function mountPointsWithin(folder: string): Promise<string[]> {
  const real = await realpath(folder);
  return mountsIn(mountTable(), real).map(({ point }) => point);
}

/** All that is mounted at or below a folder, as a text that is another when that is; the folder need not be there. */
export async function mountsAt(folder: string): Promise<string> {
  const real = await realpath(folder).catch(() => folder);
  const mounts = mountsIn(mountTable(), real);
  return mounts.map(({ line }) => line).join('\n');
}

/** The kernel answers at once: no disk is waited for. */
function mountTable(): string {
  return readFileSync('/proc/self/mountinfo', 'latin1');
}

/** What a mount table names at or below a folder, whose path has no link in it. */
export function mountsIn(table: string, folder: string): Mount[] {
  const inside = Buffer.from(folder).toString('latin1');
  return table.split('\n').flatMap((line) => {
    const point = pointOf(line);
    if (point === undefined || (point !== inside && !point.startsWith(`${inside}/`))) return [];
    return [{ point: Buffer.from(point, 'latin1').toString(), line }];
  });
}

/** The fifth field of a line, with its octal escapes resolved (proc_pid_mountinfo(5)). */
function pointOf(line: string): string | undefined {
  return line.split(' ')[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
