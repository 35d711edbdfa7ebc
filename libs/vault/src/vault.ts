import { DataKeyCache } from './data-key-cache.js';
import type { CachedKey } from './data-key-cache.js';
import { ProjectIdInvalid, ProjectKeysErased, ProjectKeysMissing, VaultError } from './errors.js';
import { KeyCopies } from './key-copies.js';
import type { CopyStore } from './key-copies.js';
import type { KeyRows } from './key-rows.js';
import type { PlatformKeys } from './platform-keys.js';
import { TOMBSTONE } from './project-keys.js';
import type { ProjectKeys, RepositoryKey } from './project-keys.js';
import { ERASED, open, seal } from './sealing.js';
import type { TextPlace } from './sealing.js';
import { TwoPlaces } from './two-places.js';

export interface VaultOptions {
  readonly rows: KeyRows;
  readonly platformKeys: PlatformKeys;
  readonly createRepositoryKey: () => RepositoryKey;
  /** How many data keys stay unwrapped in memory, and how long (milliseconds): 1,000 for a minute. */
  readonly cache?: { readonly entries: number; readonly maxAgeMs: number };
  readonly now?: () => number;
}

/**
 * Keeps the keys of projects in two places, the database and the project's bucket, and gives them out only when both
 * have them. Everything else in the system can be derived; these cannot.
 *
 * Besides its own errors, each method throws what the database or the bucket do.
 */
export class Vault {
  readonly #platformKeys: PlatformKeys;
  readonly #places: TwoPlaces;
  readonly #dataKeys: DataKeyCache;

  constructor({ rows, platformKeys, createRepositoryKey, cache, now = Date.now }: VaultOptions) {
    this.#platformKeys = platformKeys;
    this.#places = new TwoPlaces(rows, platformKeys, createRepositoryKey);
    this.#dataKeys = new DataKeyCache(cache ?? { entries: 1_000, maxAgeMs: 60_000 }, now);
  }

  /**
   * The keys of a project, made if it has none. Whoever asks at once, from whichever process, gets the same.
   *
   * @throws {ProjectKeysErased} {VaultConflict} {VaultBusy}
   */
  async ensure(projectId: string, store: CopyStore): Promise<ProjectKeys> {
    const entry = await this.#places.confirmed(checkedId(projectId));
    if (entry === TOMBSTONE) throw new ProjectKeysErased(projectId);
    return entry ?? (await this.#places.agree(projectId, store, { mayCreate: true }));
  }

  /**
   * The keys of a project that has some.
   *
   * @throws {ProjectKeysMissing} {ProjectKeysErased}
   */
  async get(projectId: string): Promise<ProjectKeys> {
    const entry = await this.#places.confirmed(checkedId(projectId));
    if (entry === undefined) throw new ProjectKeysMissing(projectId);
    if (entry === TOMBSTONE) throw new ProjectKeysErased(projectId);
    return entry;
  }

  /**
   * Makes sure that the bucket holds what the vault holds, whatever was known before: for a project that gets another
   * bucket, and for those who doubt.
   *
   * @throws {ProjectKeysMissing} {ProjectKeysErased} {VaultConflict} {VaultBusy}
   */
  async confirmCopy(projectId: string, store: CopyStore): Promise<void> {
    await this.#places.agree(checkedId(projectId), store, { mayCreate: false });
  }

  /**
   * Seals a text of people with the project's data key.
   *
   * @throws {ProjectKeysMissing} {ProjectKeysErased}
   */
  async seal(projectId: string, text: string, place: TextPlace): Promise<string> {
    const dataKey = await this.dataKey(projectId);
    if (dataKey === TOMBSTONE) throw new ProjectKeysErased(projectId);
    return seal(dataKey, text, place);
  }

  /**
   * The text, or `[erased]` when the project's keys were destroyed.
   *
   * @throws {ProjectKeysMissing} {VaultUnreadable}
   */
  async open(projectId: string, sealed: string, place: TextPlace): Promise<string> {
    const dataKey = await this.dataKey(projectId);
    return dataKey === TOMBSTONE ? ERASED : open(dataKey, sealed, place);
  }

  /**
   * Destroys the project's keys in both places, for good: its backups and sealed texts can never be read again.
   * May be repeated, and has to be when it throws. Other processes forget the data key within the cache's time.
   *
   * @throws {VaultBusy}
   */
  async destroy(projectId: string, store: CopyStore): Promise<void> {
    await this.#places.eraseRow(checkedId(projectId));
    this.#dataKeys.set(projectId, TOMBSTONE);
    try {
      await this.#places.agree(projectId, store, { mayCreate: false });
    } catch (error) {
      if (!(error instanceof ProjectKeysErased)) throw error;
    }
  }

  /** What a bucket holds copies of, by their names, page by page: not all of them need to be ids. */
  namesIn(store: CopyStore): AsyncGenerator<string, void, void> {
    return new KeyCopies(store, this.#platformKeys).names();
  }

  /**
   * The keys of a project as a bucket holds them. Changes nothing, and says nothing of what the database holds.
   *
   * @throws {ProjectIdInvalid} {ProjectKeysMissing} {ProjectKeysErased} {PlatformKeyUnknown} {VaultUnreadable}
   */
  async copyIn(store: CopyStore, projectId: string): Promise<ProjectKeys> {
    const copy = await new KeyCopies(store, this.#platformKeys).read(checkedId(projectId));
    if (copy === undefined) throw new ProjectKeysMissing(projectId);
    if ('problem' in copy) throw copy.problem;
    if (copy.entry === TOMBSTONE) throw new ProjectKeysErased(projectId);
    return copy.entry;
  }

  /** Whether the database or a bucket holds something in the place of the project's keys, whatever it is. */
  async hasTraceOf(projectId: string, store: CopyStore): Promise<boolean> {
    if (await this.#places.hasRow(checkedId(projectId))) return true;
    return (await new KeyCopies(store, this.#platformKeys).read(projectId)) !== undefined;
  }

  /**
   * The keys of a project whose database was lost, taken from the bucket. What is in the database already stays.
   *
   * @throws {ProjectIdInvalid} {ProjectKeysMissing} {ProjectKeysErased} {VaultConflict} {VaultBusy}
   */
  async takeFromBucket(projectId: string, store: CopyStore): Promise<ProjectKeys> {
    return this.#places.agree(checkedId(projectId), store, { mayCreate: false });
  }

  /** Fills the database again from the copies in a bucket, after it was lost. What is there already stays. */
  async restoreFromBucket(store: CopyStore): Promise<RestoredVault> {
    const counts = { restored: 0, alreadyThere: 0, erased: 0 };
    const refused: { name: string; reason: string }[] = [];
    const names = this.namesIn(store);
    const restoreNext = async (): Promise<void> => {
      for (let next = await names.next(); next.done !== true; next = await names.next()) {
        const outcome = await this.restore(next.value, store);
        if (typeof outcome === 'string') counts[outcome]++;
        else refused.push({ name: next.value, reason: outcome.message });
      }
    };
    try {
      await Promise.all(Array.from({ length: RESTORES_AT_ONCE }, restoreNext));
    } finally {
      await names.return();
    }
    return { ...counts, refused };
  }

  private async restore(name: string, store: CopyStore): Promise<'restored' | 'alreadyThere' | 'erased' | VaultError> {
    try {
      const before = await this.#places.confirmed(checkedId(name));
      await this.takeFromBucket(name, store);
      return before === undefined ? 'restored' : 'alreadyThere';
    } catch (error) {
      if (error instanceof ProjectKeysErased) return 'erased';
      // One entry that is broken does not keep the others away; a bucket or database that is out of reach does.
      if (error instanceof VaultError) return error;
      throw error;
    }
  }

  private async dataKey(projectId: string): Promise<CachedKey> {
    const cached = this.#dataKeys.get(checkedId(projectId));
    if (cached !== undefined) return cached;
    const entry = await this.#places.confirmed(projectId);
    if (entry === undefined) throw new ProjectKeysMissing(projectId);
    const dataKey = entry === TOMBSTONE ? TOMBSTONE : entry.dataKey;
    this.#dataKeys.set(projectId, dataKey);
    return dataKey;
  }
}

export interface RestoredVault {
  /** Projects whose keys were only in the bucket. */
  readonly restored: number;
  readonly alreadyThere: number;
  /** Projects whose keys were destroyed, in the one place or the other. */
  readonly erased: number;
  /** What a person has to look at; the others were done regardless. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}

const RESTORES_AT_ONCE = 8;

/** The id becomes a part of an object's key: nothing but an id may. */
function checkedId(projectId: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(projectId)) throw new ProjectIdInvalid();
  return projectId;
}
