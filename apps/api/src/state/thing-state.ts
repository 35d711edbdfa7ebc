import type { EventThing, LoggedEvent } from '@buckets/contracts';
import { evolve as evolveProject, type ProjectState } from './project-state.js';

/** A region, bucket, host or API key as far as decisions go: it is there, and what made it. */
export interface FixtureState {
  requestHash?: string;
  regionId?: string;
  revoked?: boolean;
}

export interface ThingStates {
  region: FixtureState;
  bucket: FixtureState;
  host: FixtureState;
  'api-key': FixtureState;
  project: ProjectState;
}

/** The state of a thing after one more event; null while it does not exist. */
export function evolveThing(state: object | null, event: LoggedEvent): object | null {
  if (event.thing === 'project') return evolveProject(state as ProjectState | null, event);
  return evolveFixture(state, event);
}

function evolveFixture(
  state: FixtureState | null,
  event: LoggedEvent<Exclude<EventThing, 'project'>>,
): FixtureState | null {
  switch (event.type) {
    case 'created':
    case 'created-for-owner': {
      const { requestHash } = event.data;
      const regionId = 'regionId' in event.data ? event.data.regionId : undefined;
      return { ...(requestHash === undefined ? {} : { requestHash }), ...(regionId === undefined ? {} : { regionId }) };
    }
    case 'revoked':
      return { ...state, revoked: true };
    default:
      return state;
  }
}
