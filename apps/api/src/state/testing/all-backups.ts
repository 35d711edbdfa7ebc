import { isRestorable, newestFirst, type LoggedEvent } from '@buckets/contracts';
import { BackupsAtHand, type BackupLook, type FoundBackups, type Project } from '../backups-at-hand.js';
import {
  evolveBackups,
  isGood,
  onceDamaged,
  onceHealed,
  type KnownBackup,
  type ProjectBackups,
} from '../known-backup.js';
import { evolve, isBeingForgotten, type ProjectState } from '../project-state.js';

/** A project with all of its backups in memory: what the tables and their look-ups must agree with. */
export class WholeProject implements ProjectBackups {
  state: ProjectState | null = null;
  readonly backups = new Map<string, KnownBackup>();
  private readonly began = new Map<string, number>();

  static after(events: readonly LoggedEvent<'project'>[]): WholeProject {
    const project = new WholeProject();
    for (const event of events) project.hear(event);
    return project;
  }

  hear(event: LoggedEvent<'project'>): void {
    if (this.state !== null) evolveBackups(this, this.state, event);
    this.state = evolve(this.state, event);
    const { operationId } = event.data as { operationId: string };
    if (event.type === 'backup-began' && !this.began.has(operationId)) this.began.set(operationId, event.position);
  }

  get(id: string): KnownBackup | undefined {
    return this.backups.get(id);
  }

  beganPositionOf(operationId: string): number | undefined {
    return this.began.get(operationId);
  }

  put(backup: KnownBackup): void {
    this.backups.set(backup.id, backup);
  }

  delete(id: string): void {
    this.backups.delete(id);
  }

  sweep(but: readonly string[], damagedPosition: number | null): void {
    for (const backup of this.all.filter(({ id }) => !but.includes(id))) {
      this.put(damagedPosition === null ? onceHealed(backup) : onceDamaged(backup, damagedPosition));
    }
  }

  get all(): KnownBackup[] {
    return [...this.backups.values()];
  }

  /** What is to be decided on, with no more of the backups than the look says. */
  with(look: BackupLook): Project | null {
    return this.state && { ...this.state, backups: new BackupsAtHand(look, this.found(look)) };
  }

  /** What is to be decided on, with whatever a decision may ask for. */
  get whole(): Project {
    return { ...this.state!, backups: new AllAtHand(this) };
  }

  /** What a look has to find, in the plainest way. */
  found({ ids, deletion, choices, inDoubt, damaged, whole, page }: BackupLook): FoundBackups {
    const all = newestFirst(this.all);
    const byId = this.all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const { operations } = this.state!;
    const open = deletion !== undefined && Object.hasOwn(operations, deletion) ? operations[deletion] : undefined;
    const there = all.filter(
      ({ id, maybeDeletedBy }) => maybeDeletedBy === undefined && !isBeingForgotten(this.state!, id),
    );
    const good = there.filter(isGood);
    return {
      ...(ids && { ids: byId.filter(({ id }) => ids.includes(id)) }),
      ...(deletion !== undefined && {
        deletion: all.filter((backup) =>
          open === undefined ? backup.maybeDeletedBy === deletion : backup.id === open.params['backupId'],
        ),
      }),
      ...(inDoubt !== undefined && {
        inDoubt: byId.filter(({ maybeDeletedBy }) => maybeDeletedBy !== undefined).slice(0, inDoubt),
      }),
      ...(damaged !== undefined && {
        damaged: all.filter(({ damagedPosition }) => damagedPosition !== undefined).slice(0, damaged),
      }),
      ...(whole !== undefined && {
        whole: all.filter(({ damagedPosition }) => damagedPosition === undefined).slice(0, whole),
      }),
      ...(page && { page: byId.filter(({ id }) => id > page.after).slice(0, page.most) }),
      ...(choices && {
        newest: there.slice(0, 1),
        restorable: there.filter(({ partialBecause }) => isRestorable(partialBecause)).slice(0, 2),
        good: good.slice(0, 2),
        unplaced: good.filter(({ unplaced }) => unplaced).slice(0, 1),
      }),
    };
  }
}

const WITHOUT_BOUND = {
  ...{ choices: true, inDoubt: 1_000_000, damaged: 1_000_000, whole: 1_000_000 },
  page: { after: '', most: 1_000_000 },
};

/** For tests that are not about what a decision looks for. */
class AllAtHand extends BackupsAtHand {
  constructor(private readonly project: WholeProject) {
    super(WITHOUT_BOUND, project.found(WITHOUT_BOUND));
  }

  override get(id: string): KnownBackup | undefined {
    return this.project.get(id);
  }

  override ofDeletion(operationId: string): KnownBackup | undefined {
    return this.project.found({ deletion: operationId }).deletion?.at(0);
  }
}
