import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { readActivity, writeActivity, type NewActivity } from './activity.js';
import { UnreadableMessage } from './envelope.js';

const project: NewActivity = {
  name: 'project',
  hostId: 'host-1',
  projectId: 'atlas',
  data: {
    incarnation: 'first',
    counter: { generation: 1, epoch: 'dawn', n: 7 },
    sameAs: [{ generation: 1, epoch: 'dusk', n: 3 }],
    firstChanges: [{ epoch: 'dawn', n: 6, at: 1_900_000_000_000 }],
    epochBeganAt: 1_800_000_000_000,
    watched: true,
    running: false,
    at: 1_900_000_000_000,
  },
};
const host: NewActivity = {
  name: 'host',
  hostId: 'host-1',
  data: {
    at: 1_900_000_000_000,
    version: '0.1.0',
    incarnation: 'first',
    projects: 3,
    runningOperations: 0,
    freeBytes: 1e12,
  },
};

describe('the activity of a host', () => {
  it.each([project, host])('is read as it was written: $name', (activity) => {
    const { subject, bytes } = writeActivity(activity, 'buckets/backup-worker');
    expect(readActivity(subject, bytes)).toMatchObject(activity);
  });

  it('is not read where it says to be about another project than its subject', () => {
    const { bytes } = writeActivity(project, 'buckets/backup-worker');
    expect(() => readActivity('buckets.activity.host-1.other', bytes)).toThrow(UnreadableMessage);
  });

  it.each([
    ['a counter without an epoch', { counter: { generation: 1, n: 7 } }],
    ['no word on which process says so', { incarnation: undefined }],
  ])('is not read with %s', (_, wrong) => {
    const { subject, bytes } = writeActivity(
      { ...project, data: { ...project.data, ...wrong } } as NewActivity,
      'buckets/backup-worker',
    );
    expect(() => readActivity(subject, bytes)).toThrow(UnreadableMessage);
  });
});
