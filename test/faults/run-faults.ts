import { execa } from 'execa';
import { setTimeout as pause } from 'node:timers/promises';
import type { Backup, Operation } from '../running/api.js';
import { hasRestic } from '../running/plain-tools.js';
import { Caller } from './caller.js';
import {
  checkBackups,
  checkDeadLetters,
  checkHosts,
  checkLog,
  checkOperations,
  checkRepository,
  checkRestless,
  checkTables,
  checkUploads,
  type Looked,
} from './checks.js';
import { stopSchedulerOnceStill } from '../running/database.js';
import { bytesOf, differences, lookAt } from './contents.js';
import { Driver, isWhole } from './driver.js';
import { inflict } from './inflict.js';
import { Ledger } from './ledger.js';
import { faultText, planRound, PROJECTS, roundText, type Fault, type Step } from './plan.js';
import { ProductUnderFaults } from './product-under-faults.js';
import { counted, type Report } from './report.js';

export interface RunOptions {
  seed: number;
  /** How many rounds, or for how long; whichever ends first. */
  rounds?: number;
  minutes?: number;
  /** Backups of each project that are restored in the end and compared, the newest whole one first. */
  restores: number;
  say: (line: string) => void;
}

const hasCompiler = !(await execa('cc', ['--version'], { reject: false })).failed;

/** Steps that a project may be behind the plan; what comes beyond is left out. */
const BEHIND_AT_MOST = 6;

/** Does what the plan of the seed says to a whole product, heals it, and looks at everything. */
export async function runFaults(wanted: RunOptions): Promise<Report> {
  const beganAt = performance.now();
  const say = (line: string) =>
    wanted.say(`${((performance.now() - beganAt) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  const options = { ...wanted, say };
  await using under = await ProductUnderFaults.start();
  const ledger = new Ledger(say);
  const caller = new Caller(under.apis, `seed-${options.seed}`);
  const drivers = PROJECTS.map(
    (project) =>
      new Driver(
        project,
        under.product.folder(project.id, project.hostId),
        under.disks[project.hostId],
        caller,
        ledger,
      ),
  );
  await Promise.all(drivers.map((driver) => driver.begin()));

  const told = await harm(options, under, { caller, ledger, drivers });
  say('Healing.');
  await under.healed();
  const looked = await look(options, under, { caller, ledger, drivers });
  return { ...told, ...looked, seed: options.seed, leftOut: leftOut(under) };
}

/** The rounds of the plan, one after the other. */
async function harm(
  { seed, rounds = Infinity, minutes = Infinity, say }: RunOptions,
  under: ProductUnderFaults,
  { caller, ledger, drivers }: Players,
): Promise<Pick<Report, 'rounds' | 'minutes' | 'faults' | 'faultsWithoutEffect' | 'stepsLeftOut'>> {
  const beganAt = performance.now();
  const since = () => (performance.now() - beganAt) / 1000;
  const lines = drivers.map((driver) => new Line(driver));
  const faults: Promise<{ fault: Fault; hadEffect: boolean }>[] = [];
  const readsSince = async (projectId: string, moment: number) => {
    const asked = ledger.accepted.filter(({ project, kind }) => project === projectId && kind === 'backup').slice(-3);
    const operations = await Promise.all(asked.map(({ id }) => caller.get<Operation>(`/v1/operations/${id}`)));
    return operations.filter(
      ({ beganAt = '', result }) => result?.backupId !== undefined && Date.parse(beganAt) > moment,
    ).length;
  };
  let number = 0;
  for (; number < rounds && since() < minutes * 60 && !lines.some((line) => line.hasFailed); number++) {
    const round = planRound(seed, number);
    say(roundText(round));
    for (const step of round.steps) lines.find(({ driver }) => driver.project.id === step.project)!.add(step);
    await pause(round.faultAfterMs);
    const { fault } = round;
    say(`→ ${faultText(fault)}`);
    ledger.suffers(fault);
    const inflicted = inflict(fault, under, readsSince).then((hadEffect) => ({ fault, hadEffect }));
    inflicted.catch(() => undefined); // It is looked at below.
    faults.push(inflicted);
    await pause(round.lastsMs - round.faultAfterMs);
  }
  const done = await Promise.all(faults);
  say('That was the last fault.');
  for (const line of lines) await line.end();
  return {
    rounds: number,
    minutes: since() / 60,
    faults: counted(done.map(({ fault }) => nameOf(fault))),
    faultsWithoutEffect: done.filter(({ hadEffect }) => !hadEffect).length,
    stepsLeftOut: lines.reduce((sum, { driver, leftOut }) => sum + leftOut + driver.skipped, 0),
  };
}

/** What is to be done to one project, in its order. */
class Line {
  readonly #steps: Step[] = [];
  #working: Promise<void> = Promise.resolve();
  #isOver = false;
  /** Why the suite itself cannot go on here. */
  #failure: { error: unknown } | undefined;
  leftOut = 0;

  constructor(readonly driver: Driver) {}

  add(step: Step): void {
    if (this.#steps.length >= BEHIND_AT_MOST) return void (this.leftOut += 1);
    this.#steps.push(step);
    if (this.#steps.length === 1) {
      this.#working = this.#working
        .then(() => this.#work())
        .catch((error: unknown) => void (this.#failure = { error }));
    }
  }

  /** What has not begun is left out. @throws Error when the suite itself has failed */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#working;
    if (this.#failure !== undefined) throw this.#failure.error;
    this.leftOut += this.#steps.length;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  async #work(): Promise<void> {
    for (let step = this.#steps[0]; step !== undefined && !this.#isOver; step = this.#steps[0]) {
      await this.driver.carryOut(step);
      this.#steps.shift();
    }
  }
}

interface Players {
  caller: Caller;
  ledger: Ledger;
  drivers: readonly Driver[];
}

/** Everything that has to be so by now. */
async function look(
  { say, restores }: RunOptions,
  under: ProductUnderFaults,
  { caller, ledger, drivers }: Players,
): Promise<
  Omit<Report, 'rounds' | 'minutes' | 'faults' | 'faultsWithoutEffect' | 'stepsLeftOut' | 'seed' | 'leftOut'>
> {
  const { product } = under;
  const checked = async <R extends Looked>(what: string, check: Promise<R>): Promise<R> => {
    say(`Looking at ${what}.`);
    const found = await check;
    for (const finding of found.findings) ledger.found(finding);
    return found;
  };

  for (const driver of drivers) await driver.settle();
  for (const driver of drivers) await driver.checkStillness();
  const { operations } = await checked('all operations', checkOperations(caller, ledger));
  const compared = { restores: 0, files: 0, bytes: 0 };
  let [snapshots, orphans, changed, unreadable] = [0, 0, 0, 0];
  for (const driver of drivers) {
    const { id } = driver.project;
    const backups = await driver.backups();
    const of = await checked(`the backups of ${id}`, checkBackups(product, caller, id, backups));
    snapshots += of.snapshots;
    orphans += of.orphans;
    const restless = await checked(`what the tenant of ${id} was at`, checkRestless(product, id, backups));
    changed += restless.changed;
    unreadable += restless.unreadable;
    for (const backup of backups.filter(isWhole).toReversed().slice(0, restores)) {
      await compare(driver, backup, ledger, under, compared);
    }
    await checked(`the repository of ${id}`, checkRepository(product, id));
  }
  await backUpOnceMore(drivers, ledger);
  const { operations: all } = await checked('all operations once more', checkOperations(caller, ledger));
  await checked('uploads to the buckets', checkUploads(product));
  await checked('the hosts', checkHosts(product));
  await checked('dead letters', checkDeadLetters(product));
  await under.endSecondApi();
  await stopSchedulerOnceStill(product);
  const { messages } = await checked('the log', checkLog(product, all));
  await checked('the tables', checkTables(product));
  for (const stray of under.strays) ledger.found(`In the place of a data root that was away stood ${stray}`);
  for (const unanswered of ledger.unanswered) ledger.found(`Nobody answered in minutes: ${unanswered}`);

  const byKind = Object.groupBy(operations, ({ kind }) => kind);
  const notSo = operations.filter(({ state }) => state !== 'succeeded');
  return {
    requests: {
      accepted: ledger.accepted.length,
      refused: Object.fromEntries(ledger.refusals),
      repeated: caller.repeats,
      unfit: Object.fromEntries(caller.unfit),
    },
    operations: Object.fromEntries(
      Object.entries(byKind).map(([kind, some]) => [kind, counted(some!.map(({ state }) => state))]),
    ),
    failures: counted(notSo.map(({ state, code }) => `${state}: ${code ?? 'no code'}`)),
    messagesInLog: messages,
    snapshotsChecked: snapshots,
    orphans,
    changedWhileRead: changed,
    withUnreadableFiles: unreadable,
    restoresCompared: compared.restores,
    filesCompared: compared.files,
    bytesCompared: compared.bytes,
    losses: ledger.findings,
  };
}

/** Restores a backup, and compares what stands there with what was recorded when it was made. */
async function compare(
  driver: Driver,
  backup: Backup,
  ledger: Ledger,
  { product }: ProductUnderFaults,
  compared: { restores: number; files: number; bytes: number },
): Promise<void> {
  const { id, hostId } = driver.project;
  const recorded = await driver.heldBy(backup);
  const operation = await driver.restore(backup);
  // Of a partial backup nobody may say that it has brought everything back; here all of it is known.
  const { state, code = '' } = operation ?? {};
  const isRestored = state === 'succeeded' || code === 'incomplete-restore' || code === 'unwitnessed';
  if (!isRestored || (state === 'partial' && backup.outcome === 'succeeded')) {
    ledger.found(`Backup ${backup.id} of ${id} cannot be restored: ${JSON.stringify(operation)}`);
    return;
  }
  if (recorded === undefined) return;
  const tree = await lookAt(product.folder(id, hostId));
  const differs = differences(recorded, tree);
  if (differs.length > 0) {
    ledger.found(`Backup ${backup.id} of ${id} gave back something else: ${differs.slice(0, 5).join('; ')}`);
  }
  compared.restores += 1;
  compared.files += tree.size;
  compared.bytes += bytesOf(tree);
}

/** A product that is whole again backs up at once. */
async function backUpOnceMore(drivers: readonly Driver[], ledger: Ledger): Promise<void> {
  for (const driver of drivers) {
    await driver.carryOut({ project: driver.project.id, command: { do: 'backup' }, hurry: false });
    const last = driver.ended.at(-1);
    if (last?.kind !== 'backup' || (last.state !== 'succeeded' && last.code !== 'shrunken')) {
      ledger.found(
        `${driver.project.id} cannot be backed up although nothing is wrong any more: ${JSON.stringify(last)}`,
      );
    }
  }
}

function nameOf(fault: Fault): string {
  if ('what' in fault) return `${fault.fault} ${fault.what}`;
  if ('hostId' in fault) return `${fault.fault} ${fault.hostId}`;
  if (fault.fault === 'tenant') return fault.doing;
  return 'before' in fault ? `${fault.fault} before ${fault.before}` : fault.fault;
}

function leftOut({ smallDisk }: ProductUnderFaults): string[] {
  return [
    ...(smallDisk === undefined ? ['a full disk (needs root, to mount a small one)'] : []),
    ...(hasCompiler ? [] : ['a wrong clock (needs a C compiler)']),
    ...(hasRestic ? [] : ['restic check (restic is not installed)']),
  ];
}
