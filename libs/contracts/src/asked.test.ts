import { describe, expect, it } from '@jest/globals';
import { readAsk, readCommand, readFilesRequest } from './index.js';

const ABOUT = { projectId: 'p', generation: 1, operationId: 'op', attemptId: 'at' };
const GRANT = { ...ABOUT, kind: 'backup', workerId: 'w', position: 7 };
const STEP = { do: 'list', projectId: 'p', generation: 1, path: 'project', limit: 10 };

describe('what is asked', () => {
  it('is taken as far as its class knows it', () => {
    expect(readAsk('grant', { ...GRANT, hostId: 'another' })).toEqual({ data: GRANT });
    expect(readAsk('assignments', {})).toEqual({ data: {} });
    expect(readCommand('request-tidy', { projectId: 'p', key: 'k', graceSeconds: 0, remove: true })).toEqual({
      data: { projectId: 'p', key: 'k', graceSeconds: 0 },
    });
    expect(readFilesRequest({ ...STEP, recursive: true })).toEqual({ data: STEP });
  });

  it.each([
    ['nothing', null],
    ['a list', [GRANT]],
    ['a field that is missing', { ...GRANT, attemptId: undefined }],
    ['null for a field that may be left out', { ...GRANT, previousFailure: null }],
    ['an id that would be two tokens of a subject', { ...GRANT, projectId: 'p.q' }],
    ['a position that no column holds', { ...GRANT, position: 2 ** 60 }],
    ['a kind that there is not', { ...GRANT, kind: 'cancel' }],
  ])('is refused as an ask where it is %s', (_, body) => {
    expect(readAsk('grant', body)).toEqual({ fault: expect.any(String) });
  });

  it.each([
    ['no step', { ...STEP, do: undefined }],
    ['a step that only its object has', { ...STEP, do: 'constructor' }],
    ['a step without what it needs', { ...STEP, limit: undefined }],
    ['not even an object', 'list'],
    ['nothing', null],
  ])('is refused as a step on live files where it is %s', (_, body) => {
    expect(readFilesRequest(body)).toEqual({ fault: expect.any(String) });
  });

  it('may name 500 snapshots and no more', () => {
    const some = (count: number) => ({ ...ABOUT, backupIds: Array.from({ length: count }, () => 'a'.repeat(64)) });
    expect(readAsk('unknown-backups', some(500)).fault).toBeUndefined();
    expect(readAsk('unknown-backups', some(501)).fault).toMatch('backupIds');
  });
});
