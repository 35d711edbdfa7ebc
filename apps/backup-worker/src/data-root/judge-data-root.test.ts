import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { judgeDataRoot, type ExpectedProject, type MarkerSight } from './judge-data-root.js';

const about = { dataRoot: '/srv/projects', marker: '/srv/projects/.buckets/host-id', hostId: 'eu-1' };
const judge = (sight: MarkerSight, expected?: readonly ExpectedProject[], wasHere = false, present = 0) =>
  judgeDataRoot(about, sight, expected, wasHere, present);

const project = (provisioned: boolean, recorded: boolean): ExpectedProject => ({ provisioned, recorded });

describe('a data root', () => {
  it.each<[string, MarkerSight, readonly ExpectedProject[] | undefined, string]>([
    ['with the marker of this host is here', { hostId: 'eu-1' }, undefined, 'here'],
    ['with the marker of another host is foreign', { hostId: 'eu-2' }, [], 'foreign'],
    ['with an empty marker is foreign', { hostId: '' }, [], 'foreign'],
    ['whose marker cannot be read is not taken for anything', { unreadable: 'EIO' }, [], 'unreadable'],
    ['of a host without projects is a new one', 'absent', [], 'unmarked'],
    ['of a host whose projects had no data yet is a new one', 'absent', [project(false, false)], 'unmarked'],
    ['with all that it should hold is one from before there were markers', 'absent', [project(true, true)], 'unmarked'],
    ['without a project that was brought here is not mounted', 'absent', [project(true, false)], 'missing'],
    ['with one of two is not taken', 'absent', [project(true, true), project(true, false)], 'missing'],
    ['of which nobody says what it should hold is not taken', 'absent', undefined, 'missing'],
  ])('%s', (_, sight, expected, state) => {
    expect(judge(sight, expected).state).toBe(state);
  });

  it('whose marker was seen before and is gone is not mounted, however little it should hold', () => {
    expect(judge('absent', [], true)).toMatchObject({ state: 'missing' });
  });

  it('that is not there is told with what to do', () => {
    const verdict = judge('absent', [project(true, false)]);
    expect(verdict).toMatchObject({
      why: expect.stringMatching(/1 project .* not mounted\. Mount it.* write eu-1 into/),
    });
  });

  it('that lacks nothing but the marker is not told as lost or not mounted', () => {
    const { why } = judge('absent', [project(true, true)], true, 1) as { why: string };
    expect(why).toMatch(
      /no .*host-id, although it was there before; but .* holds the data of 1 project\..*write eu-1 into/,
    );
    expect(why).not.toMatch(/lost for good|is not mounted/);
    expect(judge('absent', [project(true, true), project(true, false)], false, 1)).toMatchObject({
      why: expect.stringMatching(/1 project of this host is not in it; but .* 1 project\b.*starts restore/),
    });
  });

  it('is only ever marked where no project would be taken for lost by it', () => {
    const sight = fc.oneof(
      fc.constant<MarkerSight>('absent'),
      fc.record({ hostId: fc.constantFrom('eu-1', 'eu-2', '') }),
      fc.record({ unreadable: fc.constantFrom('EIO', 'ESTALE') }),
    );
    const expected = fc.option(fc.array(fc.record({ provisioned: fc.boolean(), recorded: fc.boolean() })), {
      nil: undefined,
    });
    fc.assert(
      fc.property(sight, expected, fc.boolean(), (seen, projects, wasHere) => {
        const { state } = judge(seen, projects, wasHere);
        const isOurs = typeof seen === 'object' && 'hostId' in seen && seen.hostId === 'eu-1';
        expect(state === 'here').toBe(isOurs);
        if (state !== 'unmarked') return;
        expect([seen, wasHere]).toEqual(['absent', false]);
        expect(projects!.filter(({ provisioned, recorded }) => provisioned && !recorded)).toEqual([]);
      }),
    );
  });
});
