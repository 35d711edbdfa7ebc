import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { givenFile, withGiven } from './given-files.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'buckets-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the file that an operator names for a command', () => {
  const given = (file: string | undefined, calledIn = folder) =>
    givenFile('BUCKETS_MY_FILE', { BUCKETS_MY_FILE: file, INIT_CWD: calledIn });

  it('need not be there', async () => {
    expect([await given(undefined), await given('')]).toEqual([{}, {}]);
  });

  it('is looked for where npm was called', async () => {
    await writeFile(join(folder, 'my.json'), '{"added": {"accessKeyId": "x"}}');
    const added = { added: { accessKeyId: 'x' } };
    expect([await given('my.json'), await given(join(folder, 'my.json'), '/')]).toEqual([added, added]);
    await expect(given('none.json')).rejects.toThrow(/none\.json, which BUCKETS_MY_FILE names, .*ENOENT/);
  });

  it.each(['[]', 'very-secret', 'null', '"very-secret"'])('with %s is refused without what it holds', async (text) => {
    await writeFile(join(folder, 'bad.json'), text);
    const error = await given('bad.json').catch((error: unknown) => error as Error);
    expect(String(error)).toMatch(/BUCKETS_MY_FILE names, is no JSON object/);
    expect(String(error)).not.toContain('very-secret');
  });
});

it('a list of the operator adds to that of the stack, and its word on one of these counts', () => {
  const local = [{ id: 'eu' }, { id: 'us' }];
  expect(withGiven(local, undefined)).toEqual(local);
  const given = [{ id: 'added' }, { id: 'us', bucket: 'mine' }, null];
  expect(withGiven(local, given)).toEqual([{ id: 'eu' }, ...given]);
  expect(withGiven(local, 'no list')).toBe('no list');
});
