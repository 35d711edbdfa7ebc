import { areAllNamed, damagedPacks, type RepositoryFindings, countText } from '@buckets/contracts';
import type { Survey } from '@buckets/repository';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { failureOf } from '../operations/failures.js';
import { cancelled, type Attempt, type Ending, type Work } from '../operations/operation.js';
import { rusticCall } from '../operations/rustic-call.js';
import { whenThereIsRoom } from '../operations/waiting.js';
import type { Budget } from '../queue/budget.js';
import { ProjectRepository } from '../repository/project-repository.js';
import type { Rustic } from '../rustic/index.js';
import { inspect } from './repository-findings.js';
import { drawPart, isInPart, type PartOfPacks } from './part-of-packs.js';

/** Snapshots in the arguments of one run. */
const MOST_NAMED = 500;
/** An index of eight million blobs, a pack, and what rustic takes that checks. */
const COST = { cpus: 1, memoryBytes: 512 * 2 ** 20 };

/**
 * Looks whether a project's repository holds what its backups need. What is small is read and proven, packs are compared
 * with the index by name and size, and of their content as much is read as was asked for: by rustic, and what that takes
 * for damaged by our own reader, which has the last word. Writes nothing.
 */
export class VerifyWork implements Work<'verify'> {
  constructor(
    private readonly rustic: Rustic,
    private readonly controlPlane: Pick<ControlPlane, 'ask'>,
    private readonly budget: Budget,
  ) {}

  readonly work = async (attempt: Attempt<'verify'>): Promise<Ending> => {
    const { grant } = attempt;
    // There is nothing in a repository that was never made.
    if (grant.repository.configId === undefined) return { outcome: 'succeeded', result: { repository: NOTHING } };
    return whenThereIsRoom(attempt, this.budget, COST, () => this.verify(attempt));
  };

  readonly cutOff = (): Promise<Ending> =>
    Promise.resolve(cancelled('Nothing was found to be damaged, nor to be whole.'));

  private async verify(attempt: Attempt<'verify'>): Promise<Ending> {
    const { grant, intent, signal } = attempt;
    await using repository = new ProjectRepository(grant, this.rustic);
    attempt.progress({ phase: 'scanning', bytesDone: 0 });
    const survey = await repository.survey({ signal, onSign: attempt.alive });
    const { damage = { total: 0, first: [] } } = grant;
    // Of what was found by reading, only reading says whether it is still so.
    const packs = new Set(damagedPacks(damage));
    let readBefore = { packs: 0, bytes: 0 };
    if (intent.readData > 0) {
      const part = drawPart(intent.readData);
      const ofPart = [...survey.packs.keys()].filter((id) => isInPart(id, part));
      const suspects = await this.suspects(attempt, repository, survey, part);
      for (const id of suspects ?? ofPart) packs.add(id);
      const byRustic = ofPart.filter((id) => !packs.has(id));
      readBefore = {
        packs: byRustic.length,
        bytes: byRustic.reduce((sum, id) => sum + survey.packs.get(id)!, 0),
      };
    }
    const settled = areAllNamed(damage) || intent.readData === 1;
    const trees = intent.readData > 0;
    const read = { packs, readBefore, trees, settled };
    const { findings, isWorse } = await inspect(attempt, survey, this.controlPlane, read);
    return endingOf(findings, isWorse);
  }

  /** The packs that rustic takes for damaged; undefined where it does not say which, or has not read all it was to read. */
  private async suspects(
    attempt: Attempt<'verify'>,
    repository: ProjectRepository,
    survey: Survey,
    part: PartOfPacks,
  ): Promise<string[] | undefined> {
    if (!survey.isReadableByRustic) return undefined;
    const snapshotIds = await this.wholeOnes(attempt, survey);
    if (snapshotIds?.length === 0) return undefined;
    const order = { readData: part, ...(snapshotIds === undefined ? {} : { snapshotIds }) };
    const outcome = await this.rustic.check(repository.access, rusticCall(attempt), order);
    if (outcome.outcome === 'sound') return [];
    // It panics over some packs that end too early.
    if (outcome.outcome === 'failed' && outcome.class === 'crashed') return undefined;
    if (outcome.outcome !== 'damaged') throw failureOf(outcome);
    const { total, first } = outcome.errors;
    // A tree that it cannot read ends the walk through them, and then it does not know which packs to read.
    const isCut = total > first.length || first.some((error) => /error checking trees/.test(error));
    const named = first.flatMap((error) => error.match(/\b[0-9a-f]{64}\b/g) ?? []).filter((id) => survey.packs.has(id));
    const isExplained = named.length > 0 || survey.damaged.length > 0;
    return isCut || !isExplained ? undefined : named;
  }

  /** Where some have lost something, which rustic would tell once more, the snapshots that have not; undefined: all. */
  private async wholeOnes({ grant }: Attempt<'verify'>, survey: Survey): Promise<string[] | undefined> {
    if (grant.damagedBackups === undefined) return undefined;
    const { whole } = await survey.lossesOf(survey.snapshots.keys());
    return whole.size > MOST_NAMED ? [] : [...whole];
  }
}

const NOTHING: RepositoryFindings = {
  total: 0,
  first: [],
  damaged: [],
  whole: [],
  others: 'unknown',
  settled: true,
  packs: 0,
  packsRead: 0,
  bytes: 0,
  bytesRead: 0,
};

function endingOf(repository: RepositoryFindings, isWorse: boolean): Ending {
  const { total, damaged, others } = repository;
  const result = { repository };
  if (total > 0 || isWorse) {
    return {
      outcome: 'failed',
      code: 'repository-damaged',
      reason:
        `${countText(total, 'object')} of the repository ${total === 1 ? 'is' : 'are'} damaged or missing, and ` +
        `${others === 'damaged' ? 'most backups' : countText(damaged.length, 'backup')} lost something by that. ` +
        'Make a backup: it writes anew what is still on the host. Where the data are not on it, restore a backup by its id: ' +
        'of a damaged one, that brings back what can be read. The result tells which ones are damaged.',
      result,
    };
  }
  if (damaged.length === 0) return { outcome: 'succeeded', result };
  return {
    outcome: 'partial',
    code: 'backups-damaged',
    reason:
      `The repository is as it should be now, but what ${countText(damaged.length, 'backup')} lost was in no backup ` +
      'since. One that uploads it makes them whole; a restore of one by its id brings back what can be read of it. ' +
      'They can be deleted once they are of no use.',
    result,
  };
}
