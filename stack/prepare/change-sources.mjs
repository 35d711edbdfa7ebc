import { sha256OfText } from './files.mjs';

/*
 * Our changes to the libraries that rustic stands on: files of our own lines, which say by place and hash what they
 * replace (see stack/rustic/changes/). Nothing is looked for or guessed: a source that differs in a byte is refused.
 */

/**
 * Reads a file of changes.
 *
 * @param {string} text `@@ why: …` and `@@ measured: …`, then for each source `@@ crate NAME VERSION`,
 *   `@@ file PATH SHA256`, and for each place `@@ lines FROM-TO` or `@@ after LINE`, followed by our lines
 * @returns {{why: string, measured: string, sources: {crate: string, version: string, path: string, sha256: string,
 *   places: {from: number, to: number, lines: string[]}[]}[]}} lines are counted from 1; `to` is `from - 1` where
 *   nothing is replaced
 * @throws {Error} that names the line which cannot be understood
 */
export function readChange(text) {
  const change = { why: '', measured: '', sources: [] };
  let crate;
  let source;
  let place;
  const lines = text.replace(/\n$/, '').split('\n');
  for (const [index, line] of lines.entries()) {
    const [, word, rest] = /^@@ (\w+):? (.+)$/.exec(line) ?? [];
    const refuse = () => new Error(`Line ${index + 1} of a change is not understood: ${line}`);
    if (word === undefined) {
      if (place === undefined || line.startsWith('@@')) throw refuse();
      place.lines.push(line);
    } else if (word === 'why' || word === 'measured') {
      change[word] = `${change[word]} ${rest}`.trim();
    } else if (word === 'crate') {
      const [, name, version] = /^([\w-]+) (\S+)$/.exec(rest) ?? [];
      if (name === undefined) throw refuse();
      crate = { crate: name, version };
      source = place = undefined;
    } else if (word === 'file') {
      const [, path, sha256] = /^([\w./-]+) ([0-9a-f]{64})$/.exec(rest) ?? [];
      if (path === undefined || crate === undefined || path.split('/').includes('..')) throw refuse();
      source = { ...crate, path, sha256, places: [] };
      change.sources.push(source);
      place = undefined;
    } else {
      const [, from, to] = (word === 'lines' ? /^(\d+)-(\d+)$/ : /^(\d+)()$/).exec(rest) ?? [];
      if (source === undefined || !['lines', 'after'].includes(word) || from === undefined) throw refuse();
      place = word === 'lines' ? { from: Number(from), to: Number(to), lines: [] } : undefined;
      place ??= { from: Number(from) + 1, to: Number(from), lines: [] };
      if (place.from < 1 || place.to < place.from - 1) throw refuse();
      source.places.push(place);
    }
  }
  for (const said of ['why', 'measured']) if (change[said] === '') throw new Error(`A change does not say "${said}".`);
  return change;
}

/**
 * A source with our lines in the places that they are for.
 *
 * @param {string} original the whole source, which must have the hash that every one of `sources` names
 * @param {ReturnType<typeof readChange>['sources']} sources what the changes want of this file
 * @throws {Error} when the source is another one, or two changes want the same place
 */
export function changeSource(original, sources) {
  const hash = sha256OfText(original);
  for (const { crate, version, path, sha256 } of sources) {
    if (hash !== sha256) {
      throw new Error(`${path} of ${crate} ${version} is not the source that it was (sha256 ${hash}): not changed.`);
    }
  }
  const lines = original.split('\n');
  const places = sources.flatMap((source) => source.places).sort((a, b) => a.from - b.from || a.to - b.to);
  let end = 0;
  for (const { from, to } of places) {
    if (from <= end || to > lines.length) throw new Error(`Lines ${from} to ${to} cannot be changed.`);
    end = Math.max(to, from - 1);
  }
  // From the end, so that the places before stay where they are.
  for (const { from, to, lines: ours } of [...places].reverse()) lines.splice(from - 1, to - from + 1, ...ours);
  return lines.join('\n');
}
