import { IsBoolean, IsIn, Matches } from 'class-validator';
import { BackupIds, Count, List, NestedList, Optional } from './shape.js';

/** The kinds of objects that a repository is made of. */
export const REPOSITORY_OBJECTS = ['config', 'key', 'index', 'snapshot', 'pack'] as const;
export type RepositoryObject = (typeof REPOSITORY_OBJECTS)[number];

/** `altered`: its bytes are not those that were stored. A storage that does not answer proves none of these. */
export const DAMAGES = ['missing', 'wrong-size', 'altered'] as const;
export type Damage = (typeof DAMAGES)[number];

/** Of one claim, with all else that it may tell: what is beyond is counted only, or meant by `others`. */
export const MAX_DAMAGED_OBJECTS = 200;
export const MAX_BACKUPS_FOUND = 200;
/** Of one event, and of a grant. */
export const MAX_DAMAGED_BACKUPS = 1000;

/** What is so of the backups that are in neither list. `unknown`: as before. */
export const OTHER_BACKUPS = ['damaged', 'whole', 'unknown'] as const;
export type OtherBackups = (typeof OTHER_BACKUPS)[number];

/** An object of a repository that is not what was stored. */
export class DamagedObject {
  @IsIn(REPOSITORY_OBJECTS) kind!: RepositoryObject;
  /** The object's name; absent where it has none (`config`), and where nobody knows which one is missing. */
  @Optional() @Matches(/^[0-9a-f]{64}$/) id?: string;
  @IsIn(DAMAGES) damage!: Damage;
}

/** The first of them, and how many there really are. */
export class DamagedObjects {
  @Count() total!: number;
  @NestedList(DamagedObject, MAX_DAMAGED_OBJECTS) first!: DamagedObject[];
}

/** Tells a damaged object from others, however it is damaged. */
export function damagedName({ kind, id = '' }: DamagedObject): string {
  return `${kind}/${id}`;
}

/** The packs that are named among damaged objects. */
export function damagedPacks({ first }: DamagedObjects): string[] {
  return first.flatMap(({ kind, id }) => (kind === 'pack' ? (id ?? []) : []));
}

/** Whether each of them is named. */
export function areAllNamed({ total, first }: DamagedObjects): boolean {
  return total === first.length;
}

/** What was found in a project's repository, by whoever looked. */
export class RepositoryFindings extends DamagedObjects {
  /** The backups of which something is lost. */
  @List(MAX_BACKUPS_FOUND) @BackupIds() damaged!: string[];
  /** Backups of which nothing is lost, as far as they were taken for damaged. */
  @List(MAX_BACKUPS_FOUND) @BackupIds() whole!: string[];
  /** `damaged` also where nobody can tell, or where there are too many of either sort to name them all. */
  @IsIn(OTHER_BACKUPS) others!: OtherBackups;
  /** Whether these objects are all that is damaged: none that was known before is left out without having been looked at. */
  @IsBoolean() settled!: boolean;
  /** Packs that the index names, and of them those whose content was read. */
  @Count() packs!: number;
  @Count() packsRead!: number;
  /** Bytes of either. */
  @Count() bytes!: number;
  @Count() bytesRead!: number;
}
