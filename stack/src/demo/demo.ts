import { countText } from '@buckets/contracts';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { compareTrees, differenceText, removeTree, type CompareOptions, type TreeDescription } from '@buckets/trees';
import { Api, ApiFailed, type Backup, type Freshness, type Operation } from './api.js';
import { changeSomeFiles } from './change-some-files.js';
import { bytesOnDisk, described, extentText } from './described.js';
import { fillFromFolder, fillWithSamples } from './fill-project.js';
import { forPeople } from './given-folder.js';
import { progressLine, type Progress } from './progress.js';
import { bytesText, clockText, durationText } from './quantities.js';
import type { Screen } from './screen.js';
import type { StackInUse } from './stack-to-use.js';
import { savingLines, table } from './summary.js';

/** Buckets has not done what the demo shows; the message says what. */
export class NotAsPromised extends Error {
  readonly code = 'not-as-promised';
}

/** Longer than a worker takes to look through a folder that it cannot watch. */
const FRESHNESS_LIMIT_MS = 7 * 60_000;
const LOOK_MS = 50;
const CHANGES_SEED = 7;
const SHOWN_DIFFERENCES = 20;
/** The sample file with holes has data in three places; rustic keeps holes as whole pieces of at most 8 MiB. */
const SAMPLE_HOLES = { notMoreThanBy: 3 * 8 * 2 ** 20 };
/** File systems keep their own books within that. */
const A_FEW_BLOCKS = 256 * 1024;

/** What took how long, for the summary. */
interface Figures {
  backups: { ms: number; backup: Backup }[];
  restoreMs: number;
  compareMs: number;
}

/** The main job of Buckets on one project, by its API and by looking at the disk: what is said is what was seen. */
export class Demo {
  readonly projectId = `demo-${randomBytes(3).toString('hex')}`;
  readonly projectFolder: string;
  #isMade = false;
  #underWay: string | undefined;
  readonly #hostId: string;
  readonly #api: Api;
  readonly #figures: Figures = { backups: [], restoreMs: 0, compareMs: 0 };

  constructor(
    { access }: StackInUse,
    private readonly screen: Screen,
    private readonly signal: AbortSignal,
  ) {
    const [host] = access.hosts.toSorted((one, other) => one.hostId.localeCompare(other.hostId));
    if (host === undefined) throw new ApiFailed('The running stack has no host. Stop it with npm stop and try again.');
    this.#hostId = host.hostId;
    this.projectFolder = join(host.dataRoot, this.projectId);
    this.#api = new Api(access.apiUrl, access.adminToken, signal);
  }

  /** Whether there is anything in Buckets by now that was not there before. */
  get isMade(): boolean {
    return this.#isMade;
  }

  /** What Buckets is doing with the project at this moment. */
  get underWay(): string | undefined {
    return this.#underWay;
  }

  /** @throws {NotAsPromised} and whatever else goes wrong */
  async run(folder: string | undefined): Promise<void> {
    const { screen } = this;
    screen.step(`A project: ${this.projectId} on host ${this.#hostId}`);
    await this.#makeProject(folder);

    screen.step('First backup');
    await this.#backUp();
    await this.#becomes('fresh');

    screen.step('Some files change');
    await this.#change();

    screen.step('Second backup');
    await this.#backUp();
    await this.#becomes('fresh');

    screen.step("The project's folder is deleted on its host");
    const original = await described('noting what is there', this.projectFolder, screen, this.signal);
    await screen.while(
      (elapsed) => `deleting: ${durationText(elapsed)}`,
      () => removeTree(this.projectFolder),
    );
    screen.line(`Gone: ${extentText(original)}.`);

    screen.step('The project starts, and its data come back');
    await this.#start();

    screen.step('What came back is compared with the original');
    await this.#compare(original, folder === undefined ? SAMPLE_HOLES : 'ignore');
    await this.#stop();
    this.#summarise();
  }

  async #makeProject(folder: string | undefined): Promise<void> {
    const { screen, signal, projectFolder } = this;
    const { provisionOperationId } = await this.#api.post<{ provisionOperationId: string }>('/v1/projects', {
      id: this.projectId,
      hostId: this.#hostId,
      title: folder === undefined ? 'Demo with sample data' : 'Demo with a copy of a folder',
    });
    this.#isMade = true;
    await this.#api.ended(provisionOperationId);
    if (folder === undefined) {
      await fillWithSamples({ projectFolder, screen, signal });
    } else {
      screen.line(`Its data are a copy of ${forPeople(folder)}.`);
      await fillFromFolder(folder, { projectFolder, screen, signal });
    }
  }

  async #backUp(): Promise<void> {
    const { ms, operation } = await this.#operate('backups');
    const backup = await this.#api.get<Backup>(`/v1/projects/${this.projectId}/backups/${operation.result?.backupId}`);
    this.#figures.backups.push({ ms, backup });
    const { bytes, bytesAdded, bytesStored } = backup;
    this.screen.line(
      `${bytesText(bytes)} in ${durationText(ms)}. New to the bucket: ${bytesText(bytesAdded)}, ` +
        `which take ${bytesText(bytesStored)} there.`,
    );
  }

  async #change(): Promise<void> {
    const changes = await changeSomeFiles(this.projectFolder, CHANGES_SEED);
    this.screen.line(`Files: ${changes}.`);
    await this.#becomes('stale');
  }

  async #start(): Promise<void> {
    const { ms, operation } = await this.#operate('start');
    this.#figures.restoreMs = ms;
    const restored = operation.result?.restore?.backupId;
    const newest = this.#figures.backups.at(-1)!.backup.id;
    if (restored !== newest)
      throw new NotAsPromised(`The start has restored ${restored ?? 'nothing'}, and not backup ${newest}.`);
    this.screen.line(
      `Backup ${newest.slice(0, 8)} was restored, checked, flushed to disk and swapped in, in ${durationText(ms)}. ` +
        'The project runs.',
    );
  }

  async #compare(original: TreeDescription, allocated: CompareOptions['allocated']): Promise<void> {
    const began = performance.now();
    const restored = await described('comparing', this.projectFolder, this.screen, this.signal);
    this.#figures.compareMs = performance.now() - began;
    // The folder that holds the two roots is the worker's own.
    const differences = compareTrees(original, restored, { topFolder: false, allocated });
    if (differences.length > 0) throw differencesFound(differences.map(differenceText));
    this.screen.line(
      `All ${countText(original.size - 1, 'entry is', 'entries are')} the same: every byte, type, mode, owner, time, ` +
        'link and extended attribute.',
      'green',
    );
    const grown = bytesOnDisk(restored) - bytesOnDisk(original);
    if (grown > A_FEW_BLOCKS) {
      this.screen.line(
        `On disk they take ${bytesText(grown)} more than before: small holes in files are filled with zeros.`,
      );
    }
  }

  async #stop(): Promise<void> {
    const { id } = await this.#api.post<Operation>(`/v1/projects/${this.projectId}/stop`, {});
    await this.#api.ended(id);
  }

  #summarise(): void {
    const { backups, restoreMs, compareMs } = this.#figures;
    const stored = (backup: Backup) => `${bytesText(backup.bytesStored)} added to the bucket`;
    const [first, second] = backups.map(({ ms, backup }) => [
      durationText(ms),
      bytesText(backup.bytes),
      stored(backup),
    ]);
    const size = bytesText(backups.at(-1)!.backup.bytes);
    this.screen.title('Summary');
    this.screen.block(
      table([
        ['', 'time', 'size', ''],
        ['First backup', ...first!],
        ['Second backup', ...second!],
        ['Restore at the start', durationText(restoreMs), size, 'with all checks'],
        ['Comparison', durationText(compareMs), size, 'no difference'],
      ]),
    );
    this.screen.block(['', ...savingLines(backups.map(({ backup }) => backup))]);
  }

  /** Asks for a piece of work and waits for its end with a progress bar. */
  async #operate(what: 'backups' | 'start'): Promise<{ ms: number; operation: Operation }> {
    const began = performance.now();
    const { id, kind } = await this.#api.post<Operation>(`/v1/projects/${this.projectId}/${what}`, {});
    this.#underWay = kind;
    let progress: Progress | undefined;
    const operation = await this.screen.while(
      (elapsed) => progressLine(progress, elapsed, this.screen.bar),
      () => this.#api.ended(id, (latest) => (progress = latest)),
    );
    this.#underWay = undefined;
    return { ms: performance.now() - began, operation };
  }

  async #becomes(wanted: 'fresh' | 'stale'): Promise<void> {
    const began = performance.now();
    const { reason, staleSince } = await this.screen.while(
      (elapsed) => `waiting until it is seen to be ${wanted}: ${durationText(elapsed)}`,
      () => this.#untilItIs(wanted, began + FRESHNESS_LIMIT_MS),
    );
    const since = staleSince === undefined ? '' : ` since ${clockText(staleSince)}`;
    const colour = wanted === 'fresh' ? 'green' : 'yellow';
    const seenAfter = durationText(performance.now() - began);
    this.screen.line(`The project is ${wanted}${since}: “${reason}” Seen after ${seenAfter}.`, colour);
  }

  async #untilItIs(wanted: string, deadline: number): Promise<Freshness> {
    for (;;) {
      const seen = await this.#api.get<Freshness>(`/v1/projects/${this.projectId}/freshness`);
      if (seen.freshness === wanted) return seen;
      if (performance.now() > deadline) {
        const limit = durationText(FRESHNESS_LIMIT_MS);
        throw new NotAsPromised(`After ${limit} the project is not ${wanted} but ${seen.freshness}: “${seen.reason}”`);
      }
      await pause(LOOK_MS, undefined, { signal: this.signal });
    }
  }
}

function differencesFound(differences: readonly string[]): NotAsPromised {
  const shown = differences.slice(0, SHOWN_DIFFERENCES);
  const more = differences.length > shown.length ? ['…'] : [];
  return new NotAsPromised(
    [`${countText(differences.length, 'difference')} to the original:`, ...shown, ...more].join('\n'),
  );
}
