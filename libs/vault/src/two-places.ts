import { nextStep } from './agreement.js';
import type { CopyState, Step } from './agreement.js';
import { ProjectKeysErased, ProjectKeysMissing, VaultBusy, VaultConflict } from './errors.js';
import { KeyCopies } from './key-copies.js';
import type { Copy, CopyStore } from './key-copies.js';
import type { KeyRow, KeyRows } from './key-rows.js';
import type { PlatformKeys } from './platform-keys.js';
import { ProjectKeys, TOMBSTONE, unwrapEntry, wrapEntry } from './project-keys.js';
import type { Entry, RepositoryKey } from './project-keys.js';

/** Rounds of one agreement: a caller alone takes four; the rest is for those who race with it. */
const MAX_ROUNDS = 10;

/** Keeps a project's row and its copy in a bucket in agreement. */
export class TwoPlaces {
  constructor(
    private readonly rows: KeyRows,
    private readonly platformKeys: PlatformKeys,
    private readonly createRepositoryKey: () => RepositoryKey,
  ) {}

  /** What both places are known to hold; undefined when they are not known to hold the same. */
  async confirmed(projectId: string): Promise<Entry | undefined> {
    const row = await this.rows.read(projectId);
    return row === undefined || row.state === 'unconfirmed' ? undefined : this.unwrap(projectId, row.wrapped);
  }

  async hasRow(projectId: string): Promise<boolean> {
    return (await this.rows.read(projectId)) !== undefined;
  }

  /** Takes the steps of `agreement.ts` until both places agree, and gives what they agree on. */
  async agree(projectId: string, store: CopyStore, { mayCreate }: { mayCreate: boolean }): Promise<ProjectKeys> {
    const copies = new KeyCopies(store, this.platformKeys);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const row = await this.rows.read(projectId);
      const copy = await copies.read(projectId);
      const entry = row === undefined ? undefined : this.unwrap(projectId, row.wrapped);
      const step = nextStep(row?.state ?? 'absent', copyState(copy, entry));
      if (step === 'create-keys' && !mayCreate) throw new ProjectKeysMissing(projectId);
      if (step === 'done' && entry instanceof ProjectKeys) return entry;
      if (step === 'done') throw new ProjectKeysErased(projectId);
      await this.take(step, projectId, copies, row, copy);
    }
    throw new VaultBusy(projectId);
  }

  /** Puts a tombstone in place of the row, or where there is none. The copy follows with the next agreement. */
  async eraseRow(projectId: string): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const row = await this.rows.read(projectId);
      if (row?.state === 'erased') return;
      await this.write(projectId, row, this.tombstone(projectId));
    }
    throw new VaultBusy(projectId);
  }

  private async take(
    step: Step,
    projectId: string,
    copies: KeyCopies,
    row: KeyRow | undefined,
    copy: Copy | undefined,
  ): Promise<void> {
    const inRow = row?.wrapped ?? '';
    const inCopy = copy?.wrapped ?? '';
    switch (step) {
      case 'create-keys': {
        const keys = ProjectKeys.create(projectId, this.createRepositoryKey);
        const wrapped = wrapEntry(this.platformKeys, projectId, keys);
        return await this.write(projectId, row, { wrapped, state: 'unconfirmed' });
      }
      case 'take-copy':
        return await this.write(projectId, row, { wrapped: inCopy, state: 'confirmed' });
      case 'confirm-row':
        return await this.write(projectId, row, { wrapped: inRow, state: 'confirmed' });
      case 'erase-row':
        return await this.write(projectId, row, this.tombstone(projectId));
      case 'write-copy':
        return await copies.add(projectId, inRow);
      case 'erase-copy':
        return await copies.overwrite(projectId, inRow);
      case 'refuse':
        throw copy !== undefined && 'problem' in copy
          ? new VaultConflict(projectId, 'unreadable', { cause: copy.problem })
          : new VaultConflict(projectId, 'different');
      case 'done':
    }
  }

  private async write(projectId: string, from: KeyRow | undefined, to: KeyRow): Promise<void> {
    if (from === undefined) await this.rows.insert(projectId, to);
    else await this.rows.replace(projectId, from.wrapped, to);
  }

  private tombstone(projectId: string): KeyRow {
    return { wrapped: wrapEntry(this.platformKeys, projectId, TOMBSTONE), state: 'erased' };
  }

  private unwrap(projectId: string, wrapped: string): Entry {
    return unwrapEntry(this.platformKeys, projectId, wrapped);
  }
}

function copyState(copy: Copy | undefined, inRow: Entry | undefined): CopyState {
  if (copy === undefined) return 'absent';
  if ('problem' in copy) return 'unreadable';
  if (copy.entry === TOMBSTONE) return 'erased';
  return inRow instanceof ProjectKeys && inRow.equals(copy.entry) ? 'same' : 'different';
}
