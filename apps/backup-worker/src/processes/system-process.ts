import { readdirSync, readFileSync } from 'node:fs';
import { errorCode } from '../file-system/paths.js';

/** A process by more than its number, which the system gives to another one sooner or later. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since the machine started. */
  startTime: string;
  /** Differs after each start of the machine. */
  bootId: string;
}

/** @returns undefined when no such process lives; one that has ended but was not yet waited for counts as gone */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  if (!stat || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { pid, startTime: stat.startTime, bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() };
}

export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** Something that differs whenever the process has used the processor, a file or the network since. */
export function traceOfWork(pid: number): string | undefined {
  const stat = statOf(pid);
  return stat && `${stat.ticks} ${read(`/proc/${pid}/io`) ?? ''}`;
}

/** The same of all processes of a group. Looks at every process of the machine: not for often. */
export function traceOfGroup(pgid: number): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(Number(name))?.group === pgid)
    .map((name) => `${name} ${traceOfWork(Number(name))}`)
    .join('\n');
}

/** Signals the whole group that the process leads. @returns false when there is nobody left to signal */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/** The fields of /proc/<pid>/stat, see proc(5). The name of the program may hold spaces and brackets. */
function statOf(pid: number): { state: string; group: number; ticks: number; startTime: string } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state = '', , group] = fields;
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { state, group: Number(group), ticks, startTime: fields[19] ?? '' };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has ended meanwhile, or belongs to somebody else.
    return undefined;
  }
}
