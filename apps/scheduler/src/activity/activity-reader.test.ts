import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { activityTypeName, encode, envelope, subjects } from '@buckets/contracts';
import { until } from '@buckets/patience';
import { poisonsFor } from '../../../../libs/contracts/src/testing/poisons.js';
import { RealParts } from '../../../../libs/log/src/testing/real-parts.js';
import { ActivityReader } from './activity-reader.js';
import { ClockSkews } from './clock-skews.js';
import { steadyClock } from './clock.js';

jest.setTimeout(60_000);

const MOST_KEPT = 63 * 1024;
const log = { warn: () => undefined, info: () => undefined };

let parts: RealParts;
beforeAll(async () => {
  parts = await RealParts.start(['nats']);
});
afterAll(async () => {
  await parts.stop();
});

it('no message of a host ends the hearing of others', async () => {
  const { nats, jsm } = await parts.freshLog();
  const js = jetstream(nats);
  const report = {
    incarnation: 'first',
    counter: { generation: 1, epoch: 'dawn', n: 7 },
    sameAs: [],
    firstChanges: [],
    epochBeganAt: 1,
    watched: true,
    running: false,
    at: 1,
  };
  const about = (hostId: string, projectId: string) => ({
    source: 'test',
    type: activityTypeName(projectId === '_' ? 'host' : 'project'),
    subject: `host/${hostId}/project/${projectId}`,
  });
  const poisons = ['poison', '_'].flatMap((projectId) =>
    poisonsFor(envelope(about('bad', projectId), report), MOST_KEPT)
      .filter(([, bytes]) => bytes.length <= MOST_KEPT)
      .map(([, bytes]) => ({ subject: subjects.activity('bad', projectId), bytes })),
  );
  const heard: string[] = [];
  let begun = 0;
  const end = new AbortController();
  const reader = new ActivityReader(js, jsm, steadyClock, new ClockSkews(log), log);
  const listener = {
    listening: () => void begun++,
    deaf: () => undefined,
    hear: ({ hostId }: { hostId: string }) => void heard.push(hostId),
  };
  await js.publish(poisons[0]!.subject, poisons[0]!.bytes);
  const ended = reader.run(listener, end.signal);
  for (const { subject, bytes } of poisons) await js.publish(subject, bytes);
  await js.publish(subjects.activity('good', 'atlas'), encode(envelope(about('good', 'atlas'), report)));
  await until(() => heard.length > 0, { withinMs: 20_000 });
  expect([heard, begun]).toEqual([['good'], 1]);
  expect(reader.warning()).toContain('buckets.activity.bad.');
  reader.check();
  end.abort();
  await ended;
});
