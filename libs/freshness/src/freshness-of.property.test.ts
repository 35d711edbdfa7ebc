import { describe, it } from '@jest/globals';
import type { ChangeCounter, ChangeReport } from '@buckets/contracts';
import fc from 'fast-check';
import { freshnessOf, type ExistingBackup, type OutsideChange } from './freshness-of.js';

/**
 * A project, its host's worker and the log, one moment after the other. Every content has a number of its own, so
 * "the same content" is the same number; a backup that read while something changed holds none.
 */
class World {
  now = 1_000_000;
  private content = 0;
  private contents = 0;
  private position = 0;
  private lastBegan = 0;
  /** Changes that somebody saw, or that nobody could see because the worker was down. */
  private changes: Change[] = [];
  /** Changes that the watcher missed, until a scan comes past; if it sees another first, nobody will ever know. */
  private missed: Change[] = [];

  private generation = 1;
  private epochs = 0;
  private worker: ModelWorker | undefined = this.startWorker();
  private remembered: Reference | undefined;
  private connected = true;

  private reading: (ModelBackup & { quiet: boolean }) | undefined;
  private backups: (ModelBackup & { quiet: boolean })[] = [];
  private outsideChanges: OutsideChange[] = [];
  /** What the control plane was last told, how things stood then, and whether the watcher has missed something that this lacks. */
  private told!: { by: ModelWorker; report: ChangeReport; at: number; content: number; unseen: boolean };

  /** The last sign of life of the process that told it. */
  private heardAt = 0;

  constructor() {
    this.speak(true);
  }

  /** Something happens, some time after what happened before. */
  happen(action: Action): void {
    this.now += action.after;
    switch (action.what) {
      case 'change':
        return this.change(action.seen);
      case 'outside-change':
        this.change(action.seen, true);
        this.told.content = this.content;
        if (this.lastOutside() <= this.lastBegan) {
          this.outsideChanges.push({ position: ++this.position, at: this.now, source: 'fs-api' });
        }
        return;
      case 'scan':
        return this.scan();
      case 'backup-begins':
        return this.beginBackup();
      case 'backup-ends':
        return this.endBackup(action.whole);
      case 'backup-deleted':
        if (this.backups.length > 0) this.backups.splice(action.which % this.backups.length, 1);
        return;
      case 'connection':
        this.connected = !this.connected;
        return;
      case 'worker-dies':
        this.remembered = this.worker?.reference ?? this.remembered;
        this.worker = this.reading = undefined;
        return;
      case 'worker-starts':
        this.worker ??= this.startWorker();
        return;
      case 'moves':
        return this.move(action.rolledBack);
    }
  }

  /** The worker shows that it lives, and may report. */
  speak(reports: boolean): void {
    if (this.worker === undefined || !this.connected) return;
    if (this.told?.by === this.worker) this.heardAt = this.now;
    if (reports) this.tell(this.worker);
  }

  private tell(by: ModelWorker): void {
    this.heardAt = this.now;
    this.told = {
      by,
      report: by.report(this.now),
      at: this.now,
      content: this.content,
      unseen: this.missed.length > 0,
    };
  }

  check(): void {
    const result = freshnessOf(
      {
        generation: this.generation,
        provisioned: true,
        createdAt: 1_000_000,
        backups: this.backups,
        outsideChanges: this.outsideChanges,
        report: this.told.report,
        hostSeenAt: this.heardAt,
        silenceLimitMs: SILENCE_LIMIT,
      },
      this.now,
    );
    const whole = this.backups.filter(({ partialBecause }) => partialBecause.length === 0);
    const holds = whole.filter(({ content }) => content === this.told.content);
    const ofOtherHost = this.told.report.counter.generation !== this.generation;
    const silent = this.now - this.heardAt > SILENCE_LIMIT || ofOtherHost;

    claim((result.freshness === 'never') === (this.backups.length === 0), 'never means that there is no backup');
    claim(!silent || ['never', 'unknown'].includes(result.freshness), 'a silent host vouches for nothing');
    if (result.freshness === 'fresh') {
      const backup = whole.find(({ backupId }) => backupId === result.coveredBy)!;
      // A report from before the backup's end knows nothing of changes while it read; the next one will.
      const held = this.told.at < backup.endedAt ? backup.begunWith : backup.content;
      claim([this.told.content, this.content].includes(held) || this.told.unseen, 'a backup holds it all');
    }
    if (result.freshness === 'stale') {
      const covered = Math.max(-1, ...whole.map(({ until }) => until));
      const uncovered = this.changes
        .filter(({ content, foundAt, outside }) => content > covered && (outside || foundAt <= this.told.at))
        .map(({ at }) => at);
      claim(Date.parse(result.staleSince!) <= Math.min(this.now, ...uncovered), 'stale since then or earlier');
    }
    if (!silent && this.worker !== undefined && holds.some((backup) => this.isPlain(backup))) {
      claim(result.freshness === 'fresh', 'a backup of a watched project that nothing happened to is enough');
    }
  }

  /** Nothing of what would make one careful has happened since this backup. */
  private isPlain({ counter, quiet, beganPosition }: ModelBackup & { quiet: boolean }): boolean {
    const { counter: told } = this.told.report;
    return quiet && sameCounter(counter, told) && beganPosition > this.lastOutside();
  }

  private lastOutside(): number {
    return this.outsideChanges.at(-1)?.position ?? 0;
  }

  private change(seen: boolean, outside = false): void {
    this.content = ++this.contents;
    if (this.reading) this.reading.content = -1;
    const change = { content: this.content, at: this.now, foundAt: this.now, outside };
    if (this.worker === undefined || outside) this.changes.push(change);
    if (this.worker === undefined) return;
    if (!seen && !outside) {
      this.missed.push(change);
      this.told.unseen = true;
    }
    if (!seen) return;
    this.worker.raise(this.now);
    this.missed = [];
    if (!outside) this.changes.push(change);
  }

  private scan(): void {
    if (this.worker === undefined) return;
    const found = this.worker.scan(this.content, this.now) === 'missed' ? this.missed : [];
    this.changes.push(...found.map((change) => ({ ...change, foundAt: this.now })));
    this.missed = [];
  }

  private beginBackup(): void {
    if (this.worker === undefined || !this.connected || this.reading !== undefined) return;
    const beganPosition = (this.lastBegan = ++this.position);
    this.reading = {
      ...this.worker.beginBackup(this.now),
      backupId: String(beganPosition),
      beganAt: this.now,
      beganPosition,
      recordedPosition: beganPosition,
      inDoubt: false,
      damaged: false,
      partialBecause: [],
      endedAt: Number.POSITIVE_INFINITY,
      begunWith: this.content,
      content: this.content,
      until: this.contents,
    };
  }

  private endBackup(whole: boolean): void {
    if (this.reading === undefined || !this.connected) return;
    this.backups.push({ ...this.reading, endedAt: this.now, partialBecause: whole ? [] : ['unreadable-files'] });
    this.reading = undefined;
    this.position++;
  }

  /** The next host has what a backup holds, or all that was there. */
  private move(rolledBack: boolean): void {
    const source = rolledBack ? this.backups.findLast(({ content }) => content >= 0) : undefined;
    this.changes.push(...this.missed.splice(0));
    if (source) {
      this.content = source.content;
      this.changes = this.changes.filter(({ content }) => content <= source.until);
    }
    this.generation++;
    this.reading = this.remembered = undefined;
    // A host may call its epochs what another has called its own.
    this.epochs = 0;
    this.worker = this.startWorker();
  }

  private startWorker(): ModelWorker {
    const counter = { generation: this.generation, epoch: `epoch-${this.epochs++}`, n: 0 };
    return new ModelWorker(counter, this.now, this.remembered);
  }
}

/** What a worker knows: its counter, and what a scan last saw with the backups that began on just that. */
class ModelWorker {
  private marks: { counter: ChangeCounter; changedAt?: number }[] = [];
  private lookedAt: number;
  reference: Reference | undefined;

  constructor(
    private readonly counter: ChangeCounter,
    private readonly beganAt: number,
    remembered: Reference | undefined,
  ) {
    this.lookedAt = beganAt;
    if (remembered) this.reference = { ...remembered, n: undefined };
  }

  raise(at: number): void {
    this.counter.n++;
    for (const mark of this.marks) mark.changedAt ??= at;
  }

  /** A change that only a scan finds happened after the look before it. */
  scan(content: number, now: number): 'same' | 'missed' | 'first-look' {
    const { reference, lookedAt } = this;
    this.lookedAt = now;
    if (reference?.content === content) {
      reference.n = this.counter.n;
      this.unchangedSince(reference.backups);
      return 'same';
    }
    const missed = reference !== undefined && reference.n === this.counter.n;
    if (missed) this.raise(lookedAt);
    this.reference = { content, n: this.counter.n, backups: [] };
    return missed ? 'missed' : 'first-look';
  }

  /** Without a scan to compare with later, nobody could tell what was missed: such a backup is never enough. */
  beginBackup(now: number): { counter: ChangeCounter; quiet: boolean } {
    const counter = { ...this.counter };
    const quiet = this.reference?.n === counter.n;
    this.unchangedSince([counter]);
    if (quiet) this.reference!.backups = [...this.reference!.backups, counter];
    else this.raise(now);
    return { counter, quiet };
  }

  report(at: number): ChangeReport {
    const firstChanges = this.marks.flatMap(({ counter: { epoch, n }, changedAt }) =>
      changedAt === undefined ? [] : [{ epoch, n, at: changedAt }],
    );
    const sameAs = this.reference?.n === this.counter.n ? this.reference.backups : [];
    const counter = { ...this.counter };
    return { counter, sameAs, firstChanges, epochBeganAt: this.beganAt, watched: true, running: true, at };
  }

  private unchangedSince(backups: ChangeCounter[]): void {
    const others = this.marks.filter(({ counter }) => !backups.some((backup) => sameCounter(backup, counter)));
    this.marks = [...others, ...backups.map((counter) => ({ counter }))];
  }
}

interface Reference {
  content: number;
  n: number | undefined;
  backups: ChangeCounter[];
}

interface ModelBackup extends ExistingBackup {
  endedAt: number;
  begunWith: number;
  /** What it holds, or -1 for what never was there at one moment. */
  content: number;
  /** All changes up to this one are in it. */
  until: number;
}

interface Change {
  content: number;
  at: number;
  /** When the worker came to know of it. */
  foundAt: number;
  outside: boolean;
}

const SILENCE_LIMIT = 30_000;

type Action = { after: number; told: boolean } & (
  | { what: 'change' | 'outside-change'; seen: boolean }
  | { what: 'backup-ends'; whole: boolean }
  | { what: 'backup-deleted'; which: number }
  | { what: 'moves'; rolledBack: boolean }
  | { what: 'scan' | 'backup-begins' | 'connection' | 'worker-dies' | 'worker-starts' }
);

const after = fc.integer({ min: 1, max: 20_000 });
const mostly = fc.integer({ min: 0, max: 3 }).map((drawn) => drawn > 0);
const draw = <T extends object>(weight: number, what: fc.Arbitrary<T>) => ({
  weight,
  arbitrary: fc.tuple(what, after, fc.boolean()).map(([drawn, after, told]) => ({ ...drawn, after, told })),
});

const oneOf = <W extends Action['what']>(...whats: W[]) => fc.constantFrom(...whats);

const action = fc.oneof(
  draw(4, fc.record({ what: oneOf('change'), seen: mostly })),
  draw(2, fc.record({ what: oneOf('outside-change'), seen: fc.boolean() })),
  draw(9, fc.record({ what: oneOf('backup-begins', 'scan') })),
  draw(5, fc.record({ what: oneOf('backup-ends'), whole: mostly })),
  draw(1, fc.record({ what: oneOf('backup-deleted'), which: fc.nat(5) })),
  draw(1, fc.record({ what: oneOf('moves'), rolledBack: fc.boolean() })),
  draw(4, fc.record({ what: oneOf('connection', 'worker-dies', 'worker-starts') })),
);

function claim(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not so: ${what}`);
}

function sameCounter(one: ChangeCounter, other: ChangeCounter): boolean {
  return one.generation === other.generation && one.epoch === other.epoch && one.n === other.n;
}

describe('freshness', () => {
  it('is too careful at times and never wrong, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
        const world = new World();
        for (const next of actions) {
          world.happen(next);
          // Until the next report, the control plane has what it was told earlier, perhaps by another host.
          world.check();
          world.speak(next.told);
          world.check();
        }
      }),
      { numRuns: 3000 },
    );
  });
});
