/**
 * How the two places of a project's keys, the row in the database and the copy in the bucket, come to agree.
 *
 * The rule behind the table: no key leaves the vault before both places hold it. So a row that is not confirmed has
 * encrypted nothing, and gives way to a copy that has (the database was lost); a confirmed one is in use and never
 * gives way. A tombstone wins over everything, as it can only come from the vault. And what does not open may be the
 * only key of somebody's backups: nothing but a tombstone is written over it.
 */
export type RowState = 'absent' | 'unconfirmed' | 'confirmed' | 'erased';

/** `different`: keys that open, but are not those of the row (or there is no row). */
export type CopyState = 'absent' | 'same' | 'different' | 'erased' | 'unreadable';

export type Step =
  'create-keys' | 'take-copy' | 'write-copy' | 'confirm-row' | 'erase-row' | 'erase-copy' | 'refuse' | 'done';

/** What to do next. After each step but `done` and `refuse` both places are read again. */
export function nextStep(row: RowState, copy: CopyState): Step {
  return STEPS[row][copy];
}

const STEPS: Readonly<Record<RowState, Readonly<Record<CopyState, Step>>>> = {
  absent: {
    absent: 'create-keys',
    same: 'take-copy',
    different: 'take-copy',
    erased: 'erase-row',
    unreadable: 'refuse',
  },
  unconfirmed: {
    absent: 'write-copy',
    same: 'confirm-row',
    different: 'take-copy',
    erased: 'erase-row',
    unreadable: 'refuse',
  },
  confirmed: {
    absent: 'write-copy',
    same: 'done',
    different: 'refuse',
    erased: 'erase-row',
    unreadable: 'refuse',
  },
  erased: {
    absent: 'erase-copy',
    same: 'erase-copy',
    different: 'erase-copy',
    erased: 'done',
    unreadable: 'erase-copy',
  },
};
