import type { FreshnessChanged } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';
import type { ProjectState } from '../state/project-state.js';
import { existing, facts, NOTHING, type Verdict } from './verdict.js';

/**
 * A change reported from outside the host. Only the first since a backup began is a fact: the later ones say nothing
 * more, as no backup covers that first one either.
 */
export function reportChange(
  state: ProjectState | null,
  projectId: string,
  change: { source: string; at: string },
): Verdict {
  const project = existing(state, projectId);
  if (project.lastOutsideChange > project.lastBackupBegan) return NOTHING;
  return facts({ thing: 'project', type: 'changed', data: change });
}

/** A transition of freshness, unless the project has moved on or the statement says nothing new. */
export function stateFreshness(
  state: ProjectState | null,
  projectId: string,
  generation: number,
  data: FreshnessChanged,
): Verdict {
  const project = existing(state, projectId);
  if (project.generation !== generation) {
    throw new Rejection('generation-moved', `The project has generation ${project.generation} by now.`, 409);
  }
  const last = project.freshness;
  const same =
    last !== undefined &&
    last.freshness === data.freshness &&
    last.staleSince === data.staleSince &&
    last.coveredBy === data.coveredBy &&
    last.watched === data.watched &&
    last.reason === data.reason;
  return same ? NOTHING : facts({ thing: 'project', type: 'freshness-changed', data });
}
