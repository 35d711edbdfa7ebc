import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { arch, platform, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { findTool } from './find-tool.js';

const PLATFORM = `${platform()}-${arch()}`;

let folder: string;
let environment: { PATH: string; XDG_CACHE_HOME: string };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'buckets-find-tool-'));
  environment = { PATH: ['one', 'other'].map((name) => join(folder, name)).join(delimiter), XDG_CACHE_HOME: folder };
});
afterEach(() => rm(folder, { recursive: true }));

describe('a tool', () => {
  it('is found on PATH, where it can be run', async () => {
    await put('one/trial', 0o644);
    const program = await put('other/trial');
    await put(`buckets/tools/trial-1.0-${PLATFORM}/bin/trial`);
    expect(await findTool('trial', environment)).toBe(program);
  });

  it('is found in the cache of tools: the newest, made to the end, and for this platform', async () => {
    await put(`buckets/tools/trial-1.9-${PLATFORM}/bin/trial`);
    const program = await put(`buckets/tools/trial-1.10-${PLATFORM}/bin/trial`);
    await put(`buckets/tools/trial-1.11-${PLATFORM}.unfinished/bin/trial`);
    await put('buckets/tools/trial-1.12-another-platform/bin/trial');
    expect(await findTool('trial', environment)).toBe(program);
  });

  it('that is not there is named, with what to do', async () => {
    await expect(findTool('trial', environment)).rejects.toMatchObject({
      code: 'tool-missing',
      message: expect.stringMatching(/^trial is not installed\. Run/),
    });
  });
});

async function put(path: string, mode = 0o755): Promise<string> {
  const program = join(folder, path);
  await mkdir(dirname(program), { recursive: true });
  await writeFile(program, '#!/bin/sh\n', { mode });
  return program;
}
