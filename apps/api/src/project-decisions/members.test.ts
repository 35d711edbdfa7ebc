import { describe, expect, it } from '@jest/globals';
import { PROJECT_ROLES, type LoggedEvent, type ProjectRole } from '@buckets/contracts';
import fc from 'fast-check';
import { applyEvent, Views } from '../tables/views.js';
import { evolve, type ProjectState } from '../state/project-state.js';
import { AT, created, event, expectRejection, given, said } from '../state/testing/given.js';
import { MAX_MEMBERS, removeMember, setMember, type Membership } from './members.js';
import { updateProject } from './create-project.js';
import { NOTHING, type Verdict } from './verdict.js';

const requestedBy = 'admin';
const owner = created.ownerId;
const set = (userId: string, role: ProjectRole) => event('member-set', { userId, role, requestedBy });
const project = (...members: ReturnType<typeof set>[]) => given(event('created', created), ...members);

describe('a member', () => {
  it('gets a role, and another one in its place', () => {
    const { events } = setMember(project(), 'p1', { userId: 'ada', role: 'viewer', requestedBy });
    expect(events).toEqual([set('ada', 'viewer')]);
    expect(project(set('ada', 'viewer')).members).toEqual({ ada: 'viewer' });
    expect(project(set('ada', 'viewer'), set('ada', 'owner')).members).toEqual({ ada: 'owner' });
  });

  it('that has the role already changes nothing', () => {
    const wanted = { userId: 'ada', role: 'viewer' as const, requestedBy };
    expect(setMember(project(set('ada', 'viewer')), 'p1', wanted)).toEqual(NOTHING);
    expect(setMember(project(), 'p1', { userId: owner, role: 'owner', requestedBy })).toEqual(NOTHING);
  });

  it('that is none cannot be removed, whatever objects have anyway', () => {
    for (const userId of ['ada', 'constructor', 'toString']) {
      expectRejection(() => removeMember(project(), 'p1', { userId, requestedBy }), 'member-not-found', 404);
    }
    expectRejection(() => removeMember(null, 'p1', { userId: 'ada', requestedBy }), 'project-not-found', 404);
    expectRejection(
      () => setMember(null, 'p1', { userId: 'a', role: 'viewer', requestedBy }),
      'project-not-found',
      404,
    );
  });

  it('is one of a hundred at most', () => {
    const full = project(...Array.from({ length: MAX_MEMBERS }, (_, n) => set(`m${n}`, 'viewer')));
    expectRejection(() => setMember(full, 'p1', { userId: 'x', role: 'viewer', requestedBy }), 'too-many-members', 409);
    expect(said(setMember(full, 'p1', { userId: 'm7', role: 'owner', requestedBy }))).toEqual(['member-set']);
    expect(said(removeMember(full, 'p1', { userId: 'm7', requestedBy }))).toEqual(['member-removed']);
  });
});

describe('the owner whose the project is', () => {
  it('cannot go, or become less, as the only one', () => {
    for (const state of [project(), project(set('ada', 'collaborator'))]) {
      expectRejection(() => removeMember(state, 'p1', { userId: owner, requestedBy }), 'last-owner', 409);
      const wanted = { userId: owner, role: 'viewer' as const, requestedBy };
      expectRejection(() => setMember(state, 'p1', wanted), 'last-owner', 409);
    }
  });

  it('goes once there is another one, whose it is then', () => {
    const state = project(set('bob', 'owner'), set('ada', 'owner'));
    expect(removeMember(state, 'p1', { userId: owner, requestedBy }).events).toEqual([
      event('updated', { ownerId: 'ada', requestedBy }),
      event('member-removed', { userId: owner, requestedBy }),
    ]);
    const demoted = setMember(state, 'p1', { userId: owner, role: 'viewer', requestedBy });
    expect(said(demoted)).toEqual(['updated', 'member-set']);
    expect(given(event('created', created), set('bob', 'owner'), set('ada', 'owner'), ...demoted.events)).toMatchObject(
      {
        ownerId: 'ada',
        members: { bob: 'owner', [owner]: 'viewer' },
      },
    );
  });

  it('is no owner any more once the project was given to somebody else', () => {
    const { ownerId, members } = project(
      set('ada', 'viewer'),
      event('updated', { ownerId: 'ada', requestedBy }) as never,
    );
    expect({ ownerId, members }).toEqual({ ownerId: 'ada', members: undefined });
  });
});

it('whatever is asked for, a project has an owner, few members, and rows that say the same', () => {
  const users = [owner, 'ada', 'bob', '7'];
  const user = fc.constantFrom(...users);
  type Asked = Membership | Omit<Membership, 'role'> | { ownerId: string; requestedBy: string };
  const asked: fc.Arbitrary<Asked> = fc.oneof(
    fc.record({ userId: user, role: fc.constantFrom(...PROJECT_ROLES), requestedBy: fc.constant(requestedBy) }),
    fc.record({ userId: user, requestedBy: fc.constant(requestedBy) }),
    fc.record({ ownerId: user, requestedBy: fc.constant(requestedBy) }),
  );
  const decide = (state: ProjectState, wanted: Asked): Verdict => {
    if ('ownerId' in wanted) return updateProject(state, 'p1', wanted);
    return 'role' in wanted ? setMember(state, 'p1', wanted) : removeMember(state, 'p1', wanted);
  };
  const refusals = new Set<string>();
  fc.assert(
    fc.property(fc.array(asked, { maxLength: 30 }), (all) => {
      const views = new Views();
      let state: ProjectState | null = null;
      let position = 0;
      const happen = (events: Verdict['events']): void => {
        for (const each of events) {
          const logged = {
            ...each,
            id: 'p1',
            position: ++position,
            messageId: 'm',
            time: AT,
          } as LoggedEvent<'project'>;
          applyEvent(views, logged);
          state = evolve(state, logged);
        }
      };
      happen([event('created', created)]);
      for (const wanted of all) {
        try {
          happen(decide(state!, wanted).events);
        } catch (error) {
          refusals.add((error as { code: string }).code);
        }
        const { ownerId, members = {} } = state! as ProjectState;
        expect(members).not.toHaveProperty(ownerId);
        const rows = users.flatMap((id) => views.members.get(id, 'p1') ?? []);
        expect(Object.fromEntries(rows.map(({ user_id, role }) => [user_id, role]))).toEqual({
          ...members,
          [ownerId]: 'owner',
        });
      }
    }),
  );
  expect([...refusals].toSorted()).toEqual(['last-owner', 'member-not-found']);
});
