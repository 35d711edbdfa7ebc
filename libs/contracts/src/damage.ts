import { IsBoolean, IsIn, Matches } from 'class-validator';
import { BackupIds, Count, List, NestedList, Optional } from './shape.js';

/** The kinds of objects that a repository is made of. */
export const REPOSITORY_OBJECTS = ['config', 'key', 'index', 'snapshot', 'pack'] as const;
export type RepositoryObject = (typeof REPOSITORY_OBJECTS)[number];

/** `altered`: its bytes are not those that were stored. A storage that does not answer proves none of these. */
export const DAMAGES = ['missing', 'wrong-size', 'altered'] as const;
export type Damage = (typeof DAMAGES)[number];

/** Of one message: what is beyond is counted only. */
export const MAX_DAMAGED_OBJECTS = 500;
export const MAX_DAMAGED_BACKUPS = 1000;

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

/** What was found in a project's repository, by whoever looked. */
export class RepositoryFindings extends DamagedObjects {
  /** The backups of which something is lost. */
  @List(MAX_DAMAGED_BACKUPS) @BackupIds() damaged!: string[];
  /** Whether all backups are to be taken for damaged that are not said to be whole: nobody could tell, or they are too many. */
  @IsBoolean() othersToo!: boolean;
  /** Backups that were taken for damaged, and of which nothing is lost. */
  @List(MAX_DAMAGED_BACKUPS) @BackupIds() whole!: string[];
  /** Whether these objects are all that is damaged: none that was known before is left out without having been looked at. */
  @IsBoolean() settled!: boolean;
  /** Packs that the index names, and of them those whose content was read. */
  @Count() packs!: number;
  @Count() packsRead!: number;
  /** Bytes of either. */
  @Count() bytes!: number;
  @Count() bytesRead!: number;
}
