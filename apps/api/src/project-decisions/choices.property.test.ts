import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backupToRestore, undecided, type Project } from '../state/backups-at-hand.js';
import { WholeProject } from '../state/testing/all-backups.js';
import { logged, requestedEvent } from '../state/testing/given.js';
import { actions, BackupStory, clocks, storyOf } from './testing/backup-stories.js';

/** The same project a moment later: somebody deletes all of its backups but the oldest. */
function allBeingDeleted({ events, known }: BackupStory): Project {
  const asked = known.slice(1).map(({ id }, index) => requestedEvent(`op-d${index}`, 'forget', { backupId: id }));
  return WholeProject.after([...events, ...logged(asked, events.length)]).with({ choices: true })!;
}

describe('whatever becomes of a project and its backups', () => {
  it('the product chooses the newest backup that is good and certain, and passes over no newer one in silence', () => {
    fc.assert(
      fc.property(actions, clocks, (all, moments) => {
        const story = new BackupStory(() => moments.next().value as number);
        for (const each of all) {
          story.do(each);
          const candidates = story.known.filter(({ inDoubt }) => !inDoubt).toReversed();
          const good = candidates.find(({ flagged, accepted, lost }) => !lost && (!flagged || accepted));
          expect(backupToRestore(story.project)).toBe(good?.id ?? null);
          const [oldest] = story.known;
          const isLeft =
            oldest !== undefined && !oldest.inDoubt && !oldest.lost && (!oldest.flagged || oldest.accepted);
          expect(backupToRestore(allBeingDeleted(story))).toBe(isLeft ? oldest.id : null);
          const [newest] = candidates;
          const passedOver = good !== undefined && newest !== good ? { older: good.id, newer: newest!.id } : null;
          const asked = undecided(story.project);
          expect(asked && { older: asked.older.backupId, newer: asked.newer.backupId }).toEqual(passedOver);
          // What nobody doubts is there.
          for (const { id, inDoubt, isThere } of story.known) if (!inDoubt) expect([id, isThere]).toEqual([id, true]);
        }
      }),
      { numRuns: 250 },
    );
  });

  it('its choices are the same whatever the clocks of hosts say', () => {
    fc.assert(
      fc.property(actions, clocks, clocks, (all, some, others) => {
        expect(storyOf(all, some).choices).toEqual(storyOf(all, others).choices);
      }),
      { numRuns: 150 },
    );
  });

  it('the control plane lets the scheduler delete what it likes, and a good backup stays', () => {
    fc.assert(
      fc.property(actions, clocks, (all, moments) => {
        const byScheduler = all
          // Of what is kept, anything may be damaged afterwards.
          .filter((each) => each.do !== 'verify')
          .map((each) => (each.do === 'forget' ? { ...each, by: 'scheduler' as const } : each));
        const { story } = storyOf(byScheduler, moments);
        const told = story.made.filter((backup) => backup.told && (!backup.flagged || backup.accepted));
        if (told.length > 0) expect(backupToRestore(story.project)).not.toBeNull();
      }),
      { numRuns: 150 },
    );
  });
});
