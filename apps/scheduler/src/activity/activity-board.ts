import type { ProjectReport, ReceivedActivity } from '@buckets/contracts';

/** When a message was heard, in milliseconds of the scheduler's own clock; no host's clock has a say. */
export interface Heard {
  at: number;
  /** Whether it came just now, or was kept by the stream from before. */
  live: boolean;
}

/** What a message was news of. */
export interface News {
  hostId: string;
  /** The project that was reported on, if one was. */
  projectId?: string;
  /** Another process speaks for the host than before. */
  newProcess: boolean;
  /** Until when it had told all there was to tell, before this message; undefined when that is not certain. */
  certainAt: number | undefined;
  /** Of a sign of life: whether the latest report on each project was heard that was made before it. */
  isComplete?: boolean;
}

/** What is known of a project from its present host and generation. */
export interface KnownReport {
  report: ProjectReport;
  /** The last sign of life of the process that made it; undefined when it ended longer ago than anybody remembers. */
  vouchedAt?: number;
  /** When it was heard. */
  heardAt: number;
  /** Of what an earlier process has made: until when that had told all there was to tell. */
  certainUntil?: number | undefined;
  /** Made by the process that now speaks for the host. */
  current: boolean;
}

/** Reports of one host that are kept at most: a host that invents projects takes no more memory than this. */
export const MAX_REPORTS_OF_A_HOST = 50_000;

/**
 * The latest word of every host. A report counts only as long as the worker process that made it lives: what happens
 * while no process watches is in no report.
 */
export class ActivityBoard {
  private readonly hosts = new Map<string, Host>();

  hear(activity: ReceivedActivity, { at, live }: Heard): News {
    const { hostId, data } = activity;
    const host = this.hosts.get(hostId) ?? newHost(data.incarnation, at);
    this.hosts.set(hostId, host);
    const newProcess = host.process.incarnation !== data.incarnation;
    const process = { newProcess, certainAt: host.completeAt };
    if (newProcess) {
      host.certainBefore = host.completeAt;
      host.earlier = host.process;
      host.process = { incarnation: data.incarnation, seenAt: at };
      countFrom(host, 1);
    }
    host.process.seenAt = Math.max(host.process.seenAt, at);
    host.live ||= live;
    if (activity.name === 'project') {
      keep(host, activity.projectId, { report: activity.data, heardAt: at });
      return { hostId, ...process, projectId: activity.projectId };
    }
    const { reported, reportedFrom = host.countsFrom } = activity.data;
    if (reportedFrom !== host.countsFrom) countFrom(host, reportedFrom);
    // A host of an earlier version does not number its reports.
    const isComplete = reported === undefined || reported === host.sum;
    // How old a word is that a stream has kept, only the clock of its server says, which may have been set back since.
    if (isComplete && live) host.completeAt = Math.max(host.completeAt ?? at, at);
    return { hostId, ...process, isComplete };
  }

  /** The hosts, and until when all was heard that each of them had to tell; undefined when that is not certain. */
  *complete(): Iterable<{ hostId: string; completeAt: number | undefined }> {
    for (const [hostId, { completeAt }] of this.hosts) yield { hostId, completeAt };
  }

  /** The last sign of life of a host. */
  seenAt(hostId: string): number | undefined {
    return this.hosts.get(hostId)?.process.seenAt;
  }

  /** Whether the host has been heard by this process of the scheduler, not just by the stream before it. */
  isHeardLive(hostId: string): boolean {
    return this.hosts.get(hostId)?.live ?? false;
  }

  reportOf(project: { id: string; hostId: string; generation: number }): KnownReport | undefined {
    const host = this.hosts.get(project.hostId);
    const heard = host?.reports.get(project.id);
    if (host === undefined || heard?.report.counter.generation !== project.generation) return undefined;
    const { report, heardAt } = heard;
    const maker = [host.process, host.earlier].find((process) => process?.incarnation === report.incarnation);
    const current = maker === host.process;
    const certain = current || maker === undefined ? {} : { certainUntil: host.certainBefore };
    return { report, heardAt, vouchedAt: maker?.seenAt, current, ...certain };
  }

  /** Hosts that were seen within `limitMs` before `now`, and those that were not. */
  count(now: number, limitMs: number): { heard: number; silent: number } {
    const heard = [...this.hosts.values()].filter(({ process }) => now - process.seenAt <= limitMs).length;
    return { heard, silent: this.hosts.size - heard };
  }
}

interface Process {
  incarnation: string;
  seenAt: number;
}

interface HeardReport {
  report: ProjectReport;
  heardAt: number;
}

interface Host {
  process: Process;
  earlier?: Process;
  live: boolean;
  reports: Map<string, HeardReport>;
  /** Of the numbers of the reports that its present process has made: as that one tells it, unless one is missing. */
  sum: number;
  /** The first number that counts for that: what was not reported again since is of projects that are no longer there. */
  countsFrom: number;
  completeAt: number | undefined;
  /** `completeAt` when its present process was first heard. */
  certainBefore: number | undefined;
}

const NOTHING_CERTAIN = { completeAt: undefined, certainBefore: undefined };

function newHost(incarnation: string, seenAt: number): Host {
  return {
    process: { incarnation, seenAt },
    live: false,
    reports: new Map(),
    sum: 0,
    countsFrom: 1,
    ...NOTHING_CERTAIN,
  };
}

function keep(host: Host, projectId: string, heard: HeardReport): void {
  const { reports } = host;
  host.sum += numberOf(heard, host) - numberOf(reports.get(projectId), host);
  reports.delete(projectId);
  reports.set(projectId, heard);
  if (reports.size <= MAX_REPORTS_OF_A_HOST) return;
  const [oldest] = reports.keys();
  host.sum -= numberOf(reports.get(oldest!), host);
  reports.delete(oldest!);
}

function countFrom(host: Host, first: number): void {
  host.countsFrom = first;
  host.sum = 0;
  for (const heard of host.reports.values()) host.sum += numberOf(heard, host);
}

function numberOf(heard: HeardReport | undefined, { process, countsFrom }: Host): number {
  const { incarnation, number = 0 } = heard?.report ?? {};
  return incarnation === process.incarnation && number >= countsFrom ? number : 0;
}
