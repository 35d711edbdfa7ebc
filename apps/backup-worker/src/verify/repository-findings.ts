import {
  MAX_BACKUPS_FOUND,
  MAX_DAMAGED_OBJECTS,
  type Asks,
  type DamagedObject,
  type OperationKind,
  type RepositoryFindings,
} from '@buckets/contracts';
import type { Losses, Survey } from '@buckets/repository';
import type { ControlPlane } from '../control-plane/control-plane.js';
import type { Attempt } from '../operations/operation.js';

const ASK_DEADLINE_MS = 60_000;

export interface Inspected {
  findings: RepositoryFindings;
  /** Whether a backup has lost something that nobody knew of before. */
  isWorse: boolean;
}

export interface WhatToRead {
  /** Packs that are read whole. */
  packs?: ReadonlySet<string>;
  /** What was read by others meanwhile. */
  readBefore?: { packs: number; bytes: number };
  /** Whether trees are read even where nothing seems to be lost. Default false. */
  trees?: boolean;
  /** Whether nothing of what was known before is left out. */
  settled: boolean;
  /** A backup that was just made, and that nobody else knows of. */
  made?: string;
}

/** What is damaged in a repository that was looked at, and which backups of its project that takes something of. */
export async function inspect<K extends OperationKind>(
  attempt: Attempt<K>,
  survey: Survey,
  controlPlane: Pick<ControlPlane, 'ask'>,
  { packs = new Set(), readBefore = { packs: 0, bytes: 0 }, trees = false, settled, made }: WhatToRead,
): Promise<Inspected> {
  const read = { ...readBefore };
  const bytesTotal = [...packs].reduce((sum, id) => sum + (survey.packs.get(id) ?? 0), 0);
  const [count, bytes] = [survey.packs.size, survey.bytes];
  let bytesDone = 0;
  await survey.readPacks(packs, (size) => {
    read.packs += 1;
    read.bytes += size;
    bytesDone += size;
    attempt.progress({ phase: 'verifying', bytesDone, bytesTotal });
  });
  const known = [...(await knownBackups(attempt, controlPlane)), ...(made === undefined ? [] : [made])];
  const before = new Set(attempt.grant.damagedBackups);
  const losses = await lossesOf(survey, known, trees || before.size > 0);
  const { damaged: objects } = survey;
  const hidden = hidesEverything(objects);
  const [damaged, whole] = [[...losses.damaged], [...losses.whole]];
  const tooMany = damaged.length > MAX_BACKUPS_FOUND;
  const looked = damaged.length + whole.length === known.length;
  const others = hidden || tooMany ? 'damaged' : settled && looked ? 'whole' : 'unknown';
  return {
    findings: {
      total: objects.length,
      first: objects.slice(0, MAX_DAMAGED_OBJECTS),
      damaged: damaged.slice(0, MAX_BACKUPS_FOUND),
      whole: settled && !hidden ? whole.filter((id) => tooMany || before.has(id)).slice(0, MAX_BACKUPS_FOUND) : [],
      others,
      settled,
      packs: count,
      packsRead: read.packs,
      bytes,
      bytesRead: read.bytes,
    },
    isWorse: hidden || damaged.some((id) => !before.has(id)),
  };
}

/** Whether nothing can be restored as long as it is like that. */
function hidesEverything(objects: readonly DamagedObject[]): boolean {
  return objects.some(({ kind, damage }) => kind === 'config' || (kind === 'index' && damage === 'altered'));
}

async function lossesOf(survey: Survey, known: readonly string[], readTrees: boolean): Promise<Losses> {
  const mayLack = survey.damaged.some(({ kind }) => kind === 'pack' || kind === 'index');
  if (mayLack || survey.hasUnnamedPacks || readTrees) return survey.lossesOf(known);
  const damaged = new Set<string>();
  for (const id of known) if ((await survey.treeOf(id)) === undefined) damaged.add(id);
  return { damaged, whole: new Set() };
}

async function knownBackups(
  { projectId, intent, attemptId, signal }: Attempt,
  controlPlane: Pick<ControlPlane, 'ask'>,
): Promise<string[]> {
  const { generation, operationId } = intent;
  const known: string[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const ask: Asks['known-backups']['ask'] = {
      projectId,
      generation,
      operationId,
      attemptId,
      ...(after === '' ? {} : { after }),
    };
    const page: Asks['known-backups']['answer'] = await controlPlane.ask('known-backups', ask, {
      deadlineMs: ASK_DEADLINE_MS,
      signal,
    });
    known.push(...page.backupIds);
    after = page.next;
  }
  return known;
}
