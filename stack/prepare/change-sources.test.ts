import { readdirSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { changeSource, readChange } from './change-sources.mjs';

const RUSTIC = join(import.meta.dirname, '../rustic');

const ORIGINAL = 'one\ntwo\nthree\nfour\n';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const change = (places: string, hash = sha256(ORIGINAL)) =>
  `@@ why: it is better\n@@ measured: twice as good\n@@ crate a_crate 1.2.3\n@@ file src/a.rs ${hash}\n${places}`;
const changed = (places: string) => changeSource(ORIGINAL, readChange(change(places)).sources);

describe('a change of a library', () => {
  it.each([
    ['in place of lines', '@@ lines 2-3\nZWEI\n', 'one\nZWEI\nfour\n'],
    ['after a line', '@@ after 1\neinhalb\nzwei\n', 'one\neinhalb\nzwei\ntwo\nthree\nfour\n'],
    ['at the beginning', '@@ after 0\nnull\n', 'null\none\ntwo\nthree\nfour\n'],
    ['as nothing in place of lines', '@@ lines 1-2\n', 'three\nfour\n'],
    ['in several places, in any order', '@@ lines 4-4\nVIER\n@@ lines 1-1\n\nEINS\n', '\nEINS\ntwo\nthree\nVIER\n'],
    ['after a line that is changed too', '@@ lines 2-2\nZWEI\n@@ after 2\nplus\n', 'one\nZWEI\nplus\nthree\nfour\n'],
  ])('stands %s', (_, places, result) => expect(changed(places)).toBe(result));

  it('is refused where the source is another one, if only by a byte', () => {
    const { sources } = readChange(change('@@ lines 1-1\nEINS\n'));
    expect(() => changeSource(`${ORIGINAL} `, sources)).toThrow(
      'src/a.rs of a_crate 1.2.3 is not the source that it was',
    );
  });

  it.each(['@@ lines 2-3\nx\n@@ lines 3-4\ny\n', '@@ lines 2-9\nx\n', '@@ lines 1-4\n@@ after 2\nx\n'])(
    'is refused where places overlap or are not there: %j',
    (places) => expect(() => changed(places)).toThrow('cannot be changed'),
  );

  it.each([
    ['what stands nowhere', 'EINS\n'],
    ['a word that there is not', '@@ instead 1\nx\n'],
    ['lines that end before they begin', '@@ lines 3-1\nx\n'],
    ['a path out of the library', `@@ file ../b.rs ${'0'.repeat(64)}\n`],
    ['a marker without a word', '@@\n'],
  ])('is not understood with %s', (_, places) => expect(() => readChange(change(places))).toThrow(/Line \d+ of/));

  it.each(['why', 'measured'])('says "%s"', (said) => {
    const without = change('@@ after 1\nx\n').replace(new RegExp(`@@ ${said}: .*\n`), '');
    expect(() => readChange(without)).toThrow(`does not say "${said}"`);
  });

  it('leaves every line alone that it does not name', () => {
    const line = fc.stringMatching(/^[a-z {};@]{0,8}$/).filter((each) => !each.startsWith('@@'));
    const lines = fc.array(line, { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(lines, lines, fc.nat(), fc.nat(), (original, ours, a, b) => {
        const text = original.join('\n');
        const [from, to] = [a % original.length, b % original.length].toSorted((x, y) => x - y) as [number, number];
        const { sources } = readChange(change(`@@ lines ${from + 1}-${to + 1}\n${ours.join('\n')}\n`, sha256(text)));
        const result = changeSource(text, sources).split('\n');
        expect(result).toEqual([...original.slice(0, from), ...ours, ...original.slice(to + 1)]);
      }),
    );
  });
});

describe('our changes of rustic', () => {
  const names = readdirSync(join(RUSTIC, 'changes'));
  const changes = names.map((name) => readChange(readFileSync(join(RUSTIC, 'changes', name), 'utf8')));
  const versionIn = (file: string, name: string) =>
    new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(readFileSync(join(RUSTIC, file), 'utf8'))?.[1];

  it('are understood, and are of the versions that are fetched and built', () => {
    for (const { crate, version } of changes.flatMap(({ sources }) => sources)) {
      expect(versionIn('originals/Cargo.lock', crate)).toBe(version);
      expect(versionIn('Cargo.lock', crate)).toBe(version);
    }
  });

  it('are built with the same libraries that they were fetched with', () => {
    const built = readFileSync(join(RUSTIC, 'Cargo.lock'), 'utf8').split('\n\n');
    const patched = new Set(changes.flatMap(({ sources }) => sources.map(({ crate }) => `name = "${crate}"`)));
    const others = readFileSync(join(RUSTIC, 'originals/Cargo.lock'), 'utf8')
      .split('\n\n')
      .filter((each) => each.includes('checksum = ') && ![...patched].some((name) => each.includes(name)));
    const key = (each: string) => /name = .*\nversion = .*/.exec(each)?.[0];
    const known = new Set(built.map(key));
    // A library that only the originals want is not compiled.
    const differing = others.filter(
      (each) => known.has(key(each)) && !built.some((other) => other.includes(hashOf(each))),
    );
    expect(differing).toEqual([]);
  });

  const hashOf = (each: string) => /checksum = "(\w+)"/.exec(each)![1]!;
});
