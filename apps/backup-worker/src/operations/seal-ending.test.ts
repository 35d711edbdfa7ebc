import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { MAX_BACKUPS_FOUND, MAX_DAMAGED_OBJECTS, MAX_MESSAGE_BYTES } from '@buckets/contracts';
import { open } from '@buckets/vault/sealing';
import type { Ending } from './operation.js';
import { sealEnding } from './seal-ending.js';

const dataKey = randomBytes(32);
const place = { projectId: 'p1', dataKey: dataKey.toString('base64') };
const openAt = (field: string, sealed: string) => open(dataKey, sealed, { thing: 'project', id: 'p1', field });

const problems = (total: number) => ({
  total,
  first: Array.from({ length: total }, (_, index) => ({ path: `/project/private-${index}`, reason: 'private reason' })),
});

const ending: Ending = {
  outcome: 'partial',
  code: 'unreadable-files',
  reason: 'private reason',
  result: {
    backupId: 'a'.repeat(64),
    hook: { exitCode: 1, output: 'private output' },
    afterCommand: { exitCode: 2, output: 'private output after' },
    restore: {
      backupId: 'a'.repeat(64),
      backupBeganAt: '2026-01-01T00:00:00.000Z',
      roots: ['project'],
      files: 1,
      bytes: 2,
      problems: problems(2),
      lacks: problems(1),
    },
  },
  backup: {
    backupId: 'a'.repeat(64),
    operationId: 'op-1',
    beganAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:00:01.000Z',
    counter: { generation: 1, epoch: 'e', n: 1 },
    consistency: { mode: 'stopped', movedWhileReading: false },
    partialBecause: ['unreadable-files'],
    unreadable: problems(150),
    vanished: problems(3),
    warnings: { total: 2, first: ['private warning', 'private other'] },
    files: 1,
    folders: 1,
    bytes: 1,
    bytesAdded: 1,
    bytesStored: 1,
    filesNew: 1,
    filesChanged: 0,
  },
};

describe('what a host says of an ending', () => {
  it('leaves the host with every text of people sealed', () => {
    expect(JSON.stringify(sealEnding(ending, place))).not.toContain('private');
  });

  it('opens again with the key of the project', () => {
    const { reason, result, backup } = sealEnding(ending, place);
    expect(openAt('reason', reason!)).toBe('private reason');
    expect(openAt('output', result!.hook!.output)).toBe('private output');
    expect(openAt('path', result!.restore!.problems.first[1]!.path)).toBe('/project/private-1');
    expect(openAt('path', backup!.unreadable.first[0]!.reason)).toBe('private reason');
    expect(openAt('path', backup!.vanished!.first[2]!.path)).toBe('/project/private-2');
    expect(openAt('path', backup!.warnings!.first[1]!)).toBe('private other');
  });

  it('carries the first hundred of a list and says how long it is', () => {
    const { unreadable } = sealEnding(ending, place).backup!;
    expect(unreadable.first).toHaveLength(100);
    expect(unreadable.total).toBe(150);
  });

  it('fits into a message whatever the names of the files are', () => {
    const long = {
      total: 100,
      first: Array.from({ length: 100 }, () => ({ path: '€'.repeat(4000), reason: '€'.repeat(4000) })),
    };
    const texts = { total: 100, first: long.first.map(({ path }) => path) };
    const { result, backup, ...rest } = ending;
    const ids = (count: number) => Array.from({ length: count }, (_, n) => String(n).padStart(64, '0'));
    const repository = {
      ...{ total: 10_000, others: 'unknown' as const, settled: true, packs: 9, packsRead: 9, bytes: 9, bytesRead: 9 },
      ...{ damaged: ids(MAX_BACKUPS_FOUND), whole: ids(MAX_BACKUPS_FOUND) },
      first: ids(MAX_DAMAGED_OBJECTS).map((id) => ({ kind: 'snapshot' as const, id, damage: 'wrong-size' as const })),
    };
    const ofRestore = sealEnding(
      { ...rest, result: { restore: { ...result!.restore!, problems: long, lacks: long }, repository } },
      place,
    );
    const lists = { unreadable: long, vanished: long, warnings: texts };
    const ofBackup = sealEnding({ ...rest, result: { repository }, backup: { ...backup!, ...lists } }, place);
    for (const sealed of [ofRestore, ofBackup]) {
      expect(Buffer.byteLength(JSON.stringify(sealed))).toBeLessThan(MAX_MESSAGE_BYTES - 4096);
    }
    for (const list of [ofRestore.result!.restore!.problems, ofBackup.backup!.unreadable, ofBackup.backup!.warnings!]) {
      expect(list.total).toBe(100);
      expect(list.first.length).toBeGreaterThan(5);
    }
  });
});
