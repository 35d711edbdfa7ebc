import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { build } from './build.mjs';

const CLONE = join(import.meta.dirname, '../..');

describe('the build', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'buckets build '));
    mkdirSync(join(root, 'node_modules'));
    symlinkSync(join(CLONE, 'node_modules', '@swc'), join(root, 'node_modules', '@swc'));
    cpSync(join(CLONE, '.swcrc'), join(root, '.swcrc'));
    writeFileSync(join(root, 'package.json'), '{}');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const write = (path: string, content: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  const read = (path: string) => readFileSync(join(root, path), 'utf8');

  it('compiles every package beside its sources, without their tests, and takes other files along', async () => {
    write('apps/an-app/src/deep/main.ts', 'export const a: number = 1;');
    write('libs/a-lib/src/index.ts', 'export type T = string;');
    write('libs/a-lib/src/index.test.ts', 'throw new Error();');
    write('stack/src/data.json', '{"a":1}');
    expect(await build(root)).toBe(3);
    expect(read('apps/an-app/dist/deep/main.js')).toContain('export const a = 1;');
    expect(read('stack/dist/data.json')).toBe('{"a":1}');
    expect(existsSync(join(root, 'libs/a-lib/dist/index.test.js'))).toBe(false);
  });

  it('compiles only what has changed, or what is gone', async () => {
    write('stack/src/a.ts', 'export const a = 1;');
    write('stack/src/b.ts', 'export const b = 1;');
    expect(await build(root)).toBe(2);
    expect(await build(root)).toBe(0);
    write('stack/src/a.ts', 'export const a = 2;');
    expect(await build(root)).toBe(1);
    expect(read('stack/dist/a.js')).toContain('a = 2');
    rmSync(join(root, 'stack/dist/b.js'));
    expect(await build(root)).toBe(1);
  });

  it('compiles all again with other options', async () => {
    write('stack/src/a.ts', 'export const a = 1;');
    await build(root);
    write('.swcrc', read('.swcrc').replace('es2024', 'es2022'));
    expect(await build(root)).toBe(1);
  });

  it('takes away what has no source any more', async () => {
    write('stack/src/a.ts', 'export const a = 1;');
    await build(root);
    rmSync(join(root, 'stack/src/a.ts'));
    await build(root);
    expect(existsSync(join(root, 'stack/dist/a.js'))).toBe(false);
  });

  it('keeps the last good output of a file that does not compile, and says where it does not', async () => {
    write('stack/src/a.ts', 'export const a = 1;');
    await build(root);
    write('stack/src/a.ts', 'export const a = ;');
    await expect(build(root)).rejects.toThrow(/Expression expected/);
    expect(read('stack/dist/a.js')).toContain('a = 1');
  });
});
