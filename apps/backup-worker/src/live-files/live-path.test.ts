import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { posix } from 'node:path';
import { LiveFilesError } from './live-files-error.js';
import { parseLivePath } from './live-path.js';

describe('a path of the API', () => {
  it.each([
    ['', []],
    ['/', []],
    ['project', ['project']],
    ['persist/a', ['persist', 'a']],
    ['project/größe/-rf', ['project', 'größe', '-rf']],
    ['project/...', ['project', '...']],
    ['project/ ', ['project', ' ']],
    ['project/a\nb', ['project', 'a\nb']],
    ['project/C:\\x5ctemp', ['project', 'C:\\temp']],
    [`project/${'x'.repeat(255)}`, ['project', 'x'.repeat(255)]],
  ])('%j names its components', (path, names) => {
    expect(parseLivePath(path).map(String)).toEqual(names);
  });

  it.each([
    '..',
    '.',
    '//',
    'project/..',
    'project/../persist',
    'project/a/../../..',
    'project/.',
    'project/./a',
    'project//a',
    'project/',
    'project/a/',
    '/project/a',
    '/etc/passwd',
    '//etc/passwd',
    'etc/passwd',
    '~/a',
    '.buckets/state',
    'projects/a',
    'PROJECT/a',
    'project\0/a',
    'project/a\0b',
    'project/\\x2e\\x2e',
    'project/\\x2e./a',
    'project/a\\x2fb',
    'project/\\x00',
    'project/a\\b',
    'project\\..\\..',
    'project/\ud800',
    'project/%2e%2e/..',
    `project/${'x'.repeat(256)}`,
    `project/${'ü'.repeat(128)}`,
    `project${'/a'.repeat(2045)}`,
    'x'.repeat(10_000),
  ])('%j is refused', (path) => {
    expect(() => parseLivePath(path)).toThrow(expect.objectContaining({ code: 'bad-path' }));
  });

  it.each([
    ['/project/a', 'begins with project/ or persist/'],
    ['etc/passwd', 'begins with project/ or persist/'],
    ['project//a', 'no empty name'],
    ['project/a/', 'no / at its end'],
    ['project/../a', 'no name "." or ".."'],
    ['project/a\\b', 'two digits'],
    [`project/${'x'.repeat(256)}`, '255 bytes'],
    [`project${'/a'.repeat(2045)}`, '4096 bytes'],
    ['project/a\0b', 'NUL'],
  ])('%j is refused with the rule that it breaks', (path, rule) => {
    expect(() => parseLivePath(path)).toThrow(rule);
  });

  it('never names anything but entries below project/ or persist/, whatever the text', () => {
    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      '\0',
      'project',
      'persist',
      '\\x2e',
      '\\x2f',
      '\\xff',
      'a',
      '%2e',
      '\ud800',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(text, fc.boolean(), (rest, below) => {
        let names;
        try {
          names = parseLivePath(below ? `project/${rest}` : rest);
        } catch (error) {
          expect(error).toBeInstanceOf(LiveFilesError);
          return;
        }
        // As the kernel would resolve it, one byte to a character.
        const joined = ['/data/p', ...names.map((name) => name.toString('latin1'))].join('/');
        expect(posix.normalize(joined)).toBe(joined);
        expect(joined).toMatch(/^\/data\/p($|\/(project|persist)($|\/))/);
        expect(joined).not.toContain('\0');
        expect(joined.split('/')).toHaveLength(3 + names.length);
      }),
      { numRuns: 1000 },
    );
  });
});
