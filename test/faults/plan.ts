import { Seeded } from './seeded.js';
import type { Doing } from './tenant.js';

/** What is done to a project. Which backup is meant is said by a share of those that there are: 0 the oldest, 1 the newest. */
export type Command =
  | { do: 'change'; seed: number; bytes: number }
  | { do: 'lose' }
  | { do: 'backup' }
  | { do: 'restore'; which: number }
  | { do: 'start' }
  | { do: 'stop' }
  | { do: 'forget'; which: number }
  | { do: 'cancel' }
  | { do: 'tidy' };

export type CommandKind = Command['do'];

/** One thing done to one project. */
export interface Step {
  project: string;
  command: Command;
  /** Whether to go on without waiting for its end. */
  hurry: boolean;
}

export const SERVICES = ['api', 'second-api', 'scheduler', 'worker-eu-1', 'worker-us-1'] as const;
export const SERVERS = ['nats', 'postgres', 's3'] as const;
export type Service = (typeof SERVICES)[number];
export type Server = (typeof SERVERS)[number];
export type Victim = Service | Server | 'rustic';
export type HostId = 'eu-1' | 'us-1';

export type Fault =
  | { fault: 'kill'; what: Victim }
  | { fault: 'freeze'; what: Victim; forMs: number }
  | { fault: 'cut'; before: Server }
  | { fault: 'refuse'; before: Server; forMs: number }
  | { fault: 'delay'; before: Server; ms: number; forMs: number }
  | { fault: 'truncate'; before: Server; afterBytes: number; forMs: number }
  | { fault: 'unavailable'; before: 's3'; forMs: number }
  | { fault: 'disk-full'; forMs: number }
  /** The tenant of a project works on its own files, as the product has to expect of any. */
  | { fault: 'tenant'; doing: Doing; project: string; forMs: number }
  /** The worker of a host, and all that it starts, see another time of day. */
  | { fault: 'wrong-clock'; hostId: HostId; aheadSeconds: number; forMs: number }
  /** An empty folder stands in the place of a host's data root. */
  | { fault: 'data-root-away'; hostId: HostId; forMs: number };

/** One fault, and what is asked for meanwhile. */
export interface Round {
  number: number;
  /** Milliseconds from its beginning to that of the next. */
  lastsMs: number;
  /** Milliseconds from its beginning to the fault. */
  faultAfterMs: number;
  fault: Fault;
  steps: Step[];
}

export const PROJECTS: readonly { id: string; hostId: HostId }[] = [
  { id: 'amber', hostId: 'eu-1' },
  { id: 'basalt', hostId: 'eu-1' },
  { id: 'coral', hostId: 'us-1' },
  { id: 'dolomite', hostId: 'us-1' },
];

/** A round of the plan that a seed stands for. It follows from the seed and its number alone. */
export function planRound(seed: number, number: number): Round {
  const random = new Seeded(seed, number);
  const lastsMs = random.whole(3_000, 6_000);
  const steps = PROJECTS.flatMap(({ id }) => stepsFor(id, random));
  const round = { number, lastsMs, faultAfterMs: random.whole(200, 2_000), fault: faultOf(random), steps };
  const fault = onceADozen(seed, number);
  if (fault === undefined) return round;
  const backups = PROJECTS.filter(({ id, hostId }) =>
    fault.fault === 'tenant' ? id === fault.project : fault.fault === 'wrong-clock' && hostId === fault.hostId,
  ).flatMap(({ id }) => Array.from({ length: BACKUPS_MEANWHILE }, () => backupOf(id)));
  return { ...round, ...(backups.length > 0 && { faultAfterMs: 0 }), fault, steps: [...backups, ...steps] };
}

function backupOf(project: string): Step {
  return { project, command: { do: 'backup' }, hurry: false };
}

const KIND_OF_STEP: Readonly<Record<CommandKind, number>> = {
  backup: 28,
  change: 25,
  restore: 12,
  start: 10,
  stop: 8,
  cancel: 7,
  forget: 4,
  lose: 3,
  tidy: 3,
};

function stepsFor(project: string, random: Seeded): Step[] {
  return Array.from({ length: random.whole(1, 3) }, () => {
    const kind = random.weighted(KIND_OF_STEP);
    const hurry = random.next() < (kind === 'backup' ? 0.4 : 0.2);
    return { project, command: commandOf(kind, random), hurry };
  });
}

function commandOf(kind: CommandKind, random: Seeded): Command {
  // Drawn for each kind, so that a change of one kind leaves the rest of the plan as it is.
  const [seed, which, much] = [random.whole(1, 1_000_000), random.next(), random.next()];
  if (kind === 'change') return { do: kind, seed, bytes: much < 0.6 ? 0 : Math.round(much * 8_000_000) };
  if (kind === 'restore' || kind === 'forget') return { do: kind, which };
  return { do: kind };
}

function faultOf(random: Seeded): Fault {
  const kind = random.weighted({
    kill: 40,
    freeze: 18,
    cut: 10,
    refuse: 8,
    delay: 8,
    truncate: 8,
    unavailable: 5,
    'disk-full': 3,
  });
  const what = random.pick([...SERVICES, ...SERVERS, 'rustic', 'rustic', 'worker-eu-1'] as const);
  const before = random.pick([...SERVERS, 's3'] as const);
  const forMs = random.whole(500, 5_000);
  const small = random.next();
  switch (kind) {
    case 'kill':
      return { fault: kind, what };
    case 'freeze':
      return { fault: kind, what, forMs };
    case 'cut':
      return { fault: kind, before };
    case 'refuse':
      return { fault: kind, before, forMs };
    case 'delay':
      return { fault: kind, before, ms: Math.round(50 + small * 1_500), forMs };
    case 'truncate':
      return { fault: kind, before, afterBytes: Math.round(small ** 3 * 200_000), forMs };
    case 'unavailable':
      return { fault: kind, before: 's3', forMs };
    case 'disk-full':
      return { fault: kind, forMs };
  }
}

const DOZEN = 12;
/** While a tenant is at work, or a clock is wrong: a backup takes a moment, and does not always meet with that. */
const BACKUPS_MEANWHILE = 3;
const DAY_S = 86_400;
const EACH_DOZEN = ['swap-files', 'swap-folders', 'write-logs', 'wrong-clock', 'data-root-away'] as const;

/** Faults that each dozen rounds have once each, so that the shortest run has them all: the round's, if it is one of theirs. */
function onceADozen(seed: number, number: number): Fault | undefined {
  const random = new Seeded(seed, Math.floor(number / DOZEN), DOZEN);
  const left = Array.from({ length: DOZEN }, (_, at) => at);
  for (const kind of EACH_DOZEN) {
    const [at] = left.splice(random.whole(0, left.length - 1), 1);
    const fault = specialFault(kind, random);
    if (at === number % DOZEN) return fault;
  }
  return undefined;
}

function specialFault(kind: (typeof EACH_DOZEN)[number], random: Seeded): Fault {
  const { id, hostId } = random.pick(PROJECTS);
  // S3 refuses what is signed by a clock that is a day off, and takes what is signed by the others.
  const aheadSeconds = random.pick([DAY_S, -DAY_S, 600, -600]);
  const forMs = random.whole(2_000, 5_000);
  if (kind === 'wrong-clock') return { fault: kind, hostId, aheadSeconds, forMs: forMs + 1_000 };
  if (kind === 'data-root-away') return { fault: kind, hostId, forMs: forMs - 1_500 };
  return { fault: 'tenant', doing: kind, project: id, forMs };
}

export function faultText(fault: Fault): string {
  const lasting = 'forMs' in fault ? ` for ${(fault.forMs / 1000).toFixed(1)} s` : '';
  switch (fault.fault) {
    case 'kill':
      return `kill -9 of ${fault.what}`;
    case 'freeze':
      return `${fault.what} stopped by SIGSTOP${lasting}`;
    case 'cut':
      return `connections to ${fault.before} cut`;
    case 'refuse':
      return `new connections to ${fault.before} refused${lasting}`;
    case 'delay':
      return `all to and from ${fault.before} ${fault.ms} ms late${lasting}`;
    case 'truncate':
      return `connections to ${fault.before} cut after ${fault.afterBytes} bytes each${lasting}`;
    case 'unavailable':
      return `s3 answers 503${lasting}`;
    case 'disk-full':
      return `the disk of us-1 full${lasting}`;
    case 'tenant':
      return `${DOINGS[fault.doing]} in ${fault.project}${lasting}`;
    case 'wrong-clock': {
      const seconds = Math.abs(fault.aheadSeconds);
      const off = seconds === DAY_S ? 'a day' : `${seconds / 60} minutes`;
      return `the clock of ${fault.hostId} ${off} ${fault.aheadSeconds > 0 ? 'ahead' : 'behind'}${lasting}`;
    }
    case 'data-root-away':
      return `the data root of ${fault.hostId} away${lasting}`;
  }
}

const DOINGS: Readonly<Record<Doing, string>> = {
  'swap-files': 'files swapped for links to what belongs to others',
  'swap-folders': 'folders swapped for links to what belongs to others',
  'write-logs': 'logs written and cut',
};

export function commandText({ do: kind, ...rest }: Command): string {
  const told = Object.entries(rest).map(
    ([name, value]) => ` ${name}=${Number.isInteger(value) ? value : value.toFixed(2)}`,
  );
  return kind + told.join('');
}

/** Some lines for people. */
export function roundText({ number, fault, faultAfterMs, lastsMs, steps }: Round): string {
  const told = steps.map(({ project, command, hurry }) => `${project}: ${commandText(command)}${hurry ? ' &' : ''}`);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  return `round ${number} (${seconds(lastsMs)}): ${faultText(fault)}, after ${seconds(faultAfterMs)} | ${told.join(', ')}`;
}
