import { readFile, realpath } from 'node:fs/promises';

/**
 * The mount points at or below a folder that exists. A mounted folder cannot be renamed, and whatever is mounted below one
 * would be removed along with it.
 */
export async function mountPointsWithin(folder: string): Promise<string[]> {
  const [real, table] = await Promise.all([realpath(folder), readFile('/proc/self/mountinfo', 'latin1')]);
  const inside = Buffer.from(real).toString('latin1');
  return mountPoints(table)
    .filter((point) => point === inside || point.startsWith(`${inside}/`))
    .map((point) => Buffer.from(point, 'latin1').toString());
}

/** The fifth field of each line, with its octal escapes resolved (proc_pid_mountinfo(5)). */
function mountPoints(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const field = line.split(' ')[4];
    return field === undefined
      ? []
      : [field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))];
  });
}
