import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareTools } from './prepare-tools.mjs';
import { isPythonFrom } from './python.mjs';
import { schemathesis } from './tools.mjs';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'buckets-prepare-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const judge = (isOptional: boolean) => ({
  name: 'judge',
  version: '1.0.0',
  platform: 'any',
  versionArgs: [],
  fits: () => false,
  isOptional,
  from: { requirements: 'none.txt', python: [99, 0] },
});

it('a tool that the machine cannot have and need not is done without, and an earlier one is not used', async () => {
  const folder = join(root, '.tools', 'bin');
  mkdirSync(folder, { recursive: true });
  symlinkSync('/bin/true', join(folder, 'judge'));
  await prepareTools(root, [judge(true)]);
  expect(existsSync(join(folder, 'judge'))).toBe(false);
  await expect(prepareTools(root, [judge(false)])).rejects.toThrow('judge needs python3 from 99.0 on');
});

it('each Python has a schemathesis of its own, which is known by all that it is made of', () => {
  const { version, edition, platform, from } = schemathesis();
  expect(edition).toMatch(new RegExp(`^${version}-[0-9a-f]{12}$`));
  expect(platform).toMatch(/-py(\d+\.\d+)?$/);
  expect([from.python, isPythonFrom([3, 99]), isPythonFrom([4, 0])]).toEqual([[3, 10], false, false]);
});
