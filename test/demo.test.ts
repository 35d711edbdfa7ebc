import { link, mkdir, mkdtemp, readdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { compareTrees, describeTree, differenceText, rawPath, removeTree, type TreeDescription } from '@buckets/trees';
import { execa } from 'execa';
import { CLONE } from '../stack/src/clone.js';
import { processesOf } from './running/product.js';

jest.setTimeout(180_000);
const ENDS_WITHIN_MS = 150_000;

/** What the demo never changes: it works on files with one name only. */
const NOTES = 'notes, Größe ☂';
const UNCHANGED = [NOTES, 'the same notes', 'link', 'empty'];

describe('npm run demo FOLDER', () => {
  let dataDir: string;
  let given: string;
  let original: TreeDescription;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'buckets demo data '));
    given = await mkdtemp(join(tmpdir(), 'buckets demo folder '));
    await mkdir(join(given, 'documents'));
    for (let number = 0; number < 20; number += 1) {
      await writeFile(join(given, 'documents', `déjà vu ${number}`), `${number} `.repeat(1_000));
    }
    await writeFile(join(given, NOTES), 'to be kept');
    await link(join(given, NOTES), join(given, 'the same notes'));
    await symlink(NOTES, join(given, 'link'));
    await mkdir(join(given, 'empty'));
    original = await describeTree(given);
  });
  afterEach(() => Promise.all([dataDir, given].map(removeTree)));

  /** Beside whatever else runs in this clone. */
  async function demo(folder: string, settings: Record<string, string> = {}) {
    const general = Object.entries(process.env).filter(([name]) => !name.startsWith('BUCKETS_'));
    const { exitCode, stdout, stderr } = await execa('npm', ['--silent', 'run', 'demo', folder], {
      cwd: CLONE,
      env: { ...Object.fromEntries(general), BUCKETS_DATA_DIR: dataDir, ...settings },
      extendEnv: false,
      reject: false,
      timeout: ENDS_WITHIN_MS,
    });
    // Lines are broken where they get long.
    return { exitCode, stdout: stdout.replaceAll(/\s+/g, ' '), stderr };
  }

  it('backs a copy of it up twice, loses it, brings it back, and shows that nothing differs', async () => {
    const { exitCode, stdout, stderr } = await demo(given);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(await processesOf(dataDir)).toEqual([]);

    const told = [
      'Started for this demo',
      `Its data are a copy of ${given}.`,
      /First backup .*? in .*? New to the bucket: .*? The project is fresh: “A backup holds everything\.”/,
      'Files: 5 edited, 5 added, 5 renamed, 5 deleted.',
      /The project is stale since [\d:.]+: “Changed since its newest backup began\.”/,
      /Second backup .*? in .*? New to the bucket: .*? The project is fresh: “A backup holds everything\.”/,
      'Gone: 22 files in 4 folders and 1 other entry,',
      /Backup [0-9a-f]{8} was restored, checked, flushed to disk and swapped in, in .*? The project runs\./,
      'All 27 entries are the same: every byte, type, mode, owner, time, link and extended attribute.',
      /Summary .* First backup \d.* Second backup \d.* Restore at the start \d.* Comparison \d.*? no difference/,
      '2 backups of',
      'Nothing was lost.',
    ];
    for (const each of told) expect(stdout).toEqual(expect.stringMatching(each));

    const [, projectId = ''] = /The project (demo-\w+) stays in Buckets\./.exec(stdout) ?? [];
    const broughtBack = await describeTree(join(dataDir, 'hosts', 'eu-1', projectId, 'project'));
    expect(differences(only(UNCHANGED, original), only(UNCHANGED, broughtBack))).toEqual([]);
    expect(differences(original, await describeTree(given))).toEqual([]);
  });

  it('fails when something differs, and says what', async () => {
    const changeTheNotes = `printf T | dd of="$BUCKETS_PROJECT_HOME/${NOTES}" conv=notrunc`;
    const { exitCode, stdout, stderr } = await demo(given, {
      BUCKETS_START_HOOK: JSON.stringify(['/bin/sh', '-c', changeTheNotes]),
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('The demo has failed. 4 differences to the original:');
    for (const name of [NOTES, 'the same notes']) {
      expect(stderr).toContain(`project/${name}: content: expected SHA-256`);
      expect(stderr).toContain(`project/${name}: mtime: expected`);
    }
    expect(stdout).toContain('What came back is compared with the original');
    expect(stdout).not.toMatch(/are the same|Summary|Nothing was lost/);
    expect(await processesOf(dataDir)).toEqual([]);
  });

  it('says in one line that the folder does not exist, and begins nothing', async () => {
    expect(await demo(join(given, 'nowhere'))).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `${join(given, 'nowhere')} does not exist. Put a name with spaces in quotes.`,
    });
    expect(await readdir(dataDir)).toEqual([]);
  });
});

function only(paths: readonly string[], tree: TreeDescription): TreeDescription {
  const wanted = paths.map(rawPath);
  return new Map([...tree].filter(([path]) => wanted.includes(path)));
}

function differences(expected: TreeDescription, actual: TreeDescription): string[] {
  return compareTrees(expected, actual).map(differenceText);
}
