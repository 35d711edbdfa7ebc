import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { ChangeLedger, type Remembered } from './change-ledger.js';
import type { ChangeCounter } from '@buckets/contracts';
import { covers } from '@buckets/freshness';

/** After so many ticks the kernel of the model has written every page back, and slow scans rely on it. */
const WRITTEN_BACK_AFTER = 4;
const FILES = 3;

/** The content is what counts; the product sees `ctime` only. A store into a dirty mapped page leaves no trace at all. */
interface SimulatedFile {
  content: number;
  ctime: number;
  dirty: boolean;
}

interface SimulatedScan {
  thorough: boolean;
  flushedAt: number;
  began: ChangeCounter;
  beganAtStep: number;
  seen: number[];
  settled: boolean;
}

interface SimulatedBackup {
  counter: ChangeCounter;
  read: number[];
}

/** A host with one project, its kernel, its worker and everything that can go wrong between them, one small step at a time. */
class SimulatedHost {
  files: SimulatedFile[] = Array.from({ length: FILES }, () => ({ content: 0, ctime: 0, dirty: false }));
  clock = WRITTEN_BACK_AFTER + 1;
  step = 0;
  generation = 1;
  epochs = 1;
  ledger = new ChangeLedger({ generation: 1, epoch: 'e1', at: 0 });
  undelivered = 0;
  scan?: SimulatedScan;
  scannedSinceStep = -1;
  missedAtStep = -1;
  reading: SimulatedBackup[] = [];
  backups: SimulatedBackup[] = [];
  /** Every state that was ever written: an old one may come back. */
  kept: (Remembered | undefined)[] = [];
  covered = { byCounter: 0, bySameTree: 0 };

  run(action: Action): void {
    this.step += 1;
    ACTIONS[action.kind](this, action);
    this.checkPromise();
  }

  write(which: number, how: 'seen' | 'missed' | 'mapped'): void {
    const file = this.files[which % FILES]!;
    file.content = this.step;
    if (how !== 'mapped' || !file.dirty) file.ctime = this.clock;
    if (how === 'mapped') file.dirty = true;
    if (how === 'seen') this.undelivered += 1;
    else this.missedAtStep = this.step;
  }

  flush(): void {
    for (const file of this.files) file.dirty = false;
  }

  tick(): void {
    this.clock += 1;
    for (const file of this.files) if (file.ctime <= this.clock - WRITTEN_BACK_AFTER) file.dirty = false;
  }

  beginScan(thorough: boolean): void {
    if (thorough) this.flush();
    this.scan = {
      thorough,
      flushedAt: this.clock,
      began: this.ledger.counter,
      beganAtStep: this.step,
      seen: [],
      settled: true,
    };
  }

  scanOneFile(): void {
    const { scan } = this;
    if (!scan) return;
    const file = this.files[scan.seen.length]!;
    scan.seen.push(file.ctime);
    const surelyStampedBefore = scan.thorough ? scan.flushedAt : this.clock - WRITTEN_BACK_AFTER;
    if (file.ctime >= surelyStampedBefore) scan.settled = false;
    if (scan.seen.length < FILES) return;
    this.ledger.scanned(
      scan.began,
      { fingerprint: scan.seen.join(), entries: FILES, settled: scan.settled },
      this.step,
    );
    this.scannedSinceStep = scan.beganAtStep;
    this.scan = undefined;
  }

  beginBackup(): void {
    const { counter, quiet } = this.ledger.beginBackup(this.step);
    this.reading.push({ counter, read: [] });
    if (quiet) this.keep();
  }

  keep(): void {
    this.kept.push(this.ledger.remembered);
  }

  readOneFile(): void {
    for (const backup of this.reading) backup.read.push(this.files[backup.read.length]!.content);
    this.backups.push(...this.reading.filter(({ read }) => read.length === FILES));
    this.reading = this.reading.filter(({ read }) => read.length < FILES);
  }

  restart(memory: 'newest' | 'older' | 'lost', pick: number): void {
    const older = this.kept[pick % Math.max(1, this.kept.length)];
    const remembered = memory === 'newest' ? this.kept.at(-1) : memory === 'lost' ? undefined : older;
    this.epochs += 1;
    this.ledger = new ChangeLedger({
      generation: this.generation,
      epoch: `e${this.epochs}`,
      at: this.step,
      remembered: remembered?.backups.every(({ generation }) => generation === this.generation)
        ? remembered
        : undefined,
    });
    this.undelivered = 0;
    this.scan = undefined;
    this.reading = [];
  }

  beginEpoch(generation: number): void {
    this.epochs += 1;
    this.generation = generation;
    this.ledger.beginEpoch(`e${this.epochs}`, this.step, generation);
  }

  /** Covered means equal, but for events under way and changes that nobody saw and no scan has come past. */
  checkPromise(): void {
    if (this.undelivered > 0 || this.missedAtStep > this.scannedSinceStep) return;
    const report = this.ledger.report({ at: this.step, watched: true, running: true });
    for (const { counter, read } of this.backups) {
      if (!covers(counter, report)) continue;
      if (this.files.some(({ content }, i) => content !== read[i])) expect({ read }).toEqual({ read: this.files });
      if (report.counter.epoch === counter.epoch && report.counter.n === counter.n) this.covered.byCounter += 1;
      else this.covered.bySameTree += 1;
    }
  }
}

interface Action {
  kind: keyof typeof ACTIONS;
  file: number;
  pick: number;
}

const ACTIONS = {
  write: (host: SimulatedHost, { file }: { file: number }) => host.write(file, 'seen'),
  writeMissed: (host: SimulatedHost, { file }: { file: number }) => host.write(file, 'missed'),
  writeMapped: (host: SimulatedHost, { file }: { file: number }) => host.write(file, 'mapped'),
  deliver: (host: SimulatedHost) => {
    if (host.undelivered > 0) host.ledger.raise(host.step, 'watcher');
    host.undelivered = Math.max(0, host.undelivered - 1);
  },
  deliverAll: (host: SimulatedHost) => {
    while (host.undelivered > 0) ACTIONS.deliver(host);
  },
  needlessRaise: (host: SimulatedHost) => host.ledger.raise(host.step, 'watcher-overflow'),
  tick: (host: SimulatedHost) => host.tick(),
  longTime: (host: SimulatedHost) => {
    for (let i = 0; i <= WRITTEN_BACK_AFTER; i++) host.tick();
  },
  beginSlowScan: (host: SimulatedHost) => host.beginScan(false),
  beginScan: (host: SimulatedHost) => host.beginScan(true),
  scanOneFile: (host: SimulatedHost) => host.scanOneFile(),
  wholeScan: (host: SimulatedHost) => {
    host.tick();
    ACTIONS.hastyScan(host);
  },
  hastyScan: (host: SimulatedHost) => {
    host.beginScan(true);
    for (let i = 0; i < FILES; i++) host.scanOneFile();
  },
  disturbedScan: (host: SimulatedHost, { file, pick }: { file: number; pick: number }) => {
    host.beginScan(pick % 2 === 0);
    host.scanOneFile();
    host.write(file, 'seen');
    ACTIONS.deliverAll(host);
    for (let i = 1; i < FILES; i++) host.scanOneFile();
  },
  beginBackup: (host: SimulatedHost) => host.beginBackup(),
  wholeBackup: (host: SimulatedHost) => {
    ACTIONS.deliverAll(host);
    ACTIONS.wholeScan(host);
    host.beginBackup();
    for (let i = 0; i < FILES; i++) host.readOneFile();
  },
  hastyBackup: (host: SimulatedHost) => {
    ACTIONS.hastyScan(host);
    host.beginBackup();
    for (let i = 0; i < FILES; i++) host.readOneFile();
  },
  readOneFile: (host: SimulatedHost) => host.readOneFile(),
  keep: (host: SimulatedHost) => host.keep(),
  restart: (host: SimulatedHost) => host.restart('newest', 0),
  restartWithOldMemory: (host: SimulatedHost, { pick }: { pick: number }) => host.restart('older', pick),
  restartWithoutMemory: (host: SimulatedHost) => host.restart('lost', 0),
  nextGeneration: (host: SimulatedHost) => host.beginEpoch(host.generation + 1),
  restore: (host: SimulatedHost, { file }: { file: number }) => {
    host.write(file, 'missed');
    host.beginEpoch(host.generation);
  },
} as const satisfies Record<string, (host: SimulatedHost, action: Action) => unknown>;

/** What is common happens often, so that whole backups come about between the accidents. */
const OFTEN: Action['kind'][] = [
  'wholeScan',
  'beginBackup',
  'readOneFile',
  'readOneFile',
  'scanOneFile',
  'wholeBackup',
  'deliverAll',
];
const KINDS = [...(Object.keys(ACTIONS) as Action['kind'][]), ...OFTEN, ...OFTEN];

describe('whatever happens to a project, its watcher, its worker and its disk', () => {
  it('a backup that covers the project holds what is in the project', () => {
    const covered = { byCounter: 0, bySameTree: 0 };
    const action = fc.record({ kind: fc.constantFrom(...KINDS), file: fc.nat(FILES - 1), pick: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(action, { minLength: 10, maxLength: 80, size: 'max' }), (actions) => {
        const host = new SimulatedHost();
        for (const each of actions) host.run(each);
        covered.byCounter += host.covered.byCounter;
        covered.bySameTree += host.covered.bySameTree;
      }),
      { numRuns: 10_000 },
    );
    // Were nothing ever covered, the promise would be easy to keep.
    expect(covered.byCounter).toBeGreaterThan(1_000);
    expect(covered.bySameTree).toBeGreaterThan(200);
  });
});
