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

  it('says, where it is so, why data cannot be used; without it everything is well', () => {
    const [{ data: troubled }, { data: away }] = [
      { ...project, data: { ...project.data, trouble: 'hidden' } },
      { ...host, data: { ...host.data, dataRoot: 'missing', projectsInTrouble: 2 } },
    ];
    for (const activity of [
      { ...project, data: troubled },
      { ...host, data: away },
    ] as NewActivity[]) {
      const { subject, bytes } = writeActivity(activity, 'buckets/backup-worker');
      expect(readActivity(subject, bytes)).toMatchObject(activity);
    }
    const { subject, bytes } = writeActivity(project, 'buckets/backup-worker');
    expect(readActivity(subject, bytes).data).not.toHaveProperty('trouble');
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
