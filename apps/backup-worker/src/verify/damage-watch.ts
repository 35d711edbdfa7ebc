import {
  areAllNamed,
  damagedName,
  damagedPacks,
  MAX_BACKUPS_FOUND,
  MAX_DAMAGED_BACKUPS,
  type DamagedObject,
  type DamagedObjects,
  type OperationKind,
  type RepositoryFindings,
} from '@buckets/contracts';
import { RepositoryCorrupt } from '@buckets/repository';
import type { ControlPlane } from '../control-plane/control-plane.js';
import { asFailure, withFacts } from '../operations/failures.js';
import { AttemptFailed, type Attempt, type Work } from '../operations/operation.js';
import { rusticCall } from '../operations/rustic-call.js';
import { ProjectRepository } from '../repository/project-repository.js';
import type { Rustic } from '../rustic/index.js';
import { inspect } from './repository-findings.js';

/** Failures that damage may be the reason of. */
const MAY_BE_DAMAGE = new Set([
  'repository-damaged',
  'repository-corrupt',
  'repository-missing',
  'snapshot-missing',
  'snapshot-not-found',
]);

/** A repository that was mended before work began. */
export interface MendedRepository {
  /** The packs and snapshots that were there before. */
  packs: ReadonlySet<string>;
  snapshots: ReadonlySet<string>;
  /** Whether all was looked at that was known to be damaged. */
  settled: boolean;
}

/** Finds out what is damaged where work has come upon it, and mends it where that is known. */
export class DamageWatch {
  constructor(
    private readonly rustic: Rustic,
    private readonly controlPlane: Pick<ControlPlane, 'ask'>,
  ) {}

  /** The same work; where it fails as something is damaged, it tells what, and which backups that takes something of. */
  telling<K extends OperationKind>(work: Work<K>): Work<K> {
    return {
      cutOff: work.cutOff,
      work: async (attempt) => {
        try {
          return await work.work(attempt);
        } catch (error) {
          const failure = asFailure(error);
          const isMade = attempt.grant.repository.configId !== undefined;
          if (!isMade || !MAY_BE_DAMAGE.has(failure.code) || attempt.signal.aborted) throw error;
          const repository = await this.find(attempt, error);
          throw repository === undefined ? error : withFacts(failure, { result: { repository } });
        }
      },
    };
  }

  /**
   * What is damaged, looked for where the error came from. Undefined where nothing is.
   *
   * @param made a backup that was just made
   * @throws when it cannot be looked at, as when the storage does not answer
   */
  async find<K extends OperationKind>(
    attempt: Attempt<K>,
    error: unknown,
    made?: string,
  ): Promise<RepositoryFindings | undefined> {
    const { grant, signal, alive } = attempt;
    await using repository = new ProjectRepository(grant, this.rustic);
    const survey = await repository.survey({ signal, onSign: alive });
    const restored = grant.restore?.backupId;
    const packs = new Set([...packsNamedBy(error), ...(restored === undefined ? [] : await survey.packsOf(restored))]);
    const { findings } = await inspect(attempt, survey, this.controlPlane, { packs, settled: false, made });
    return findings.total === 0 && findings.damaged.length === 0 ? undefined : findings;
  }

  /**
   * Mends what is damaged, where something is known to be; undefined where nothing is.
   *
   * @param onlyKnown for work that does not look at the repository afterwards, and so would not tell what else was found
   * @throws {AttemptFailed} where more is damaged than is known, and only that is to be mended
   */
  async mend<K extends OperationKind>(
    attempt: Attempt<K>,
    { onlyKnown = false } = {},
  ): Promise<MendedRepository | undefined> {
    const { grant, signal, alive } = attempt;
    if (grant.damage === undefined) return undefined;
    await using repository = new ProjectRepository(grant, this.rustic);
    attempt.progress({ phase: 'preparing', bytesDone: 0 });
    const survey = await repository.survey({ signal, onSign: alive });
    // Where more is damaged than could be named, everything is read: otherwise nobody would ever come to the end of it.
    const readsAll = !onlyKnown && !areAllNamed(grant.damage);
    const suspects = readsAll ? new Set(survey.packs.keys()) : new Set(damagedPacks(grant.damage));
    // The same of a restore, as far as it goes.
    if (!areAllNamed(grant.damage) && grant.restore !== undefined) {
      for (const id of await survey.packsOf(grant.restore.backupId)) suspects.add(id);
    }
    const bytesTotal = suspects.values().reduce((sum, id) => sum + (survey.packs.get(id) ?? 0), 0);
    let bytesDone = 0;
    await survey.readPacks(suspects, (bytes) => {
      attempt.progress({ phase: 'verifying', bytesDone: (bytesDone += bytes), bytesTotal });
    });
    if (onlyKnown) mustBeKnown(survey.damaged, grant.damage);
    await repository.mend(survey.damaged, rusticCall(attempt), () => attempt.confirm());
    return {
      packs: new Set(survey.packs.keys()),
      snapshots: new Set(survey.snapshots.keys()),
      settled: readsAll || areAllNamed(grant.damage),
    };
  }

  /**
   * What is there after a backup into a mended repository: all that was written since is read and proven, and of a backup
   * that an earlier attempt had made, all that it needs.
   */
  async afterMending(attempt: Attempt<'backup'>, mended: MendedRepository, made: string): Promise<RepositoryFindings> {
    const { grant, signalOfNoReturn: signal, alive } = attempt;
    await using repository = new ProjectRepository(grant, this.rustic);
    const survey = await repository.survey({ signal, onSign: alive });
    const written = survey.packs.keys().filter((id) => !mended.packs.has(id));
    const packs = new Set([...written, ...(mended.snapshots.has(made) ? await survey.packsOf(made) : [])]);
    const { settled } = mended;
    const { findings } = await inspect(attempt, survey, this.controlPlane, { packs, trees: true, settled, made });
    return findings;
  }

  /**
   * Of the backups that are taken for damaged, those of which nothing is lost any more: a backup may upload what they had
   * lost, long after the repository itself was mended. Undefined where none is taken for damaged.
   *
   * @param made a backup that was just made, where nothing was known to be damaged in the repository
   */
  async healedBy(attempt: Attempt<'backup'>, made: string): Promise<RepositoryFindings | undefined> {
    const { grant, signalOfNoReturn: signal, alive } = attempt;
    const { damagedBackups: before = [] } = grant;
    if (before.length === 0) return undefined;
    await using repository = new ProjectRepository(grant, this.rustic);
    const survey = await repository.surveyPacks({ signal, onSign: alive });
    const { whole } = await survey.lossesOf(before);
    // What else that takes something of has to be told with it.
    if (survey.damaged.length > 0) return this.find(attempt, undefined, made);
    const isAll = whole.size === before.length && before.length < MAX_DAMAGED_BACKUPS;
    return {
      ...{ total: 0, first: [], damaged: [], whole: [...whole].slice(0, MAX_BACKUPS_FOUND) },
      others: isAll ? 'whole' : 'unknown',
      settled: true,
      packs: survey.packs.size,
      packsRead: 0,
      bytes: survey.bytes,
      bytesRead: 0,
    };
  }
}

function mustBeKnown(found: readonly DamagedObject[], known: DamagedObjects): void {
  const names = new Set(known.first.map(damagedName));
  if (!areAllNamed(known) || found.every((object) => names.has(damagedName(object)))) return;
  throw new AttemptFailed(
    'repository-damaged',
    'More of the repository is damaged than was known. Nothing was changed: try again, now that it is known.',
  );
}

function packsNamedBy(error: unknown): string[] {
  const [, pack] = (error instanceof RepositoryCorrupt && /data\/[0-9a-f]{2}\/([0-9a-f]{64})/.exec(error.object)) || [];
  return pack === undefined ? [] : [pack];
}
