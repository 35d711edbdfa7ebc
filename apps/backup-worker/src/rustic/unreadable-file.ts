import { escapeName } from '../file-system/escaped-name.js';

/** Something that a backup could not read, wholly or in part. */
export interface UnreadableFile {
  /**
   * As in the snapshot, such as `/project/notes.txt`, in the form in which live files are named (`escaped-name.ts`). For a
   * fault in the middle of a file rustic names the folder only, which then ends in a slash. In most messages rustic
   * shows bytes that are no UTF-8 as U+FFFD.
   */
  path: string;
  cause: 'denied' | 'vanished' | 'attributes' | 'input-output';
  /** The system's words. */
  reason: string;
}

/*
 * What rustic_core 0.13 says of files, from where a message's fixed beginning ends: `archiver.rs`, `backend/ignore.rs` and
 * `backend/ignore/mapper.rs`. A name may hold any text, so that the same name has to stand twice where the message has it
 * twice, and has to be in the folder that was backed up.
 */

/** `<path>`⏎Failed to open file at `<path>`. …: caused by: <reason> */
export function fileThatCannotBeOpened(text: string, root: string): UnreadableFile | undefined {
  return twice(text, '`\nFailed to open file at `', '`. ', (path, rest) => {
    const reason = /^Please [^\n]*: caused by: ([^\n]*)$/.exec(rest)?.[1];
    return reason === undefined ? undefined : unreadable(path, root, reason);
  });
}

/** …: caused by: <path>: IO error for operation on <path>: <reason> */
export function entryThatCannotBeListed(text: string, root: string): UnreadableFile | undefined {
  const [start] = endsOf(text, ': caused by: ');
  return start === undefined ? undefined : entryWithFault(text.slice(start), root);
}

/** …: caused by: … : (source: <path>: IO error for operation on <path>: <reason>), or the same of a link */
export function entryThatCannotBeMapped(text: string, root: string): UnreadableFile | undefined {
  const link = /: caused by: Error reading link target for `"((?:[^"\\]|\\.)*)"`: [^\n]* : \(source: ([^\n]*)\)$/.exec(
    text,
  );
  if (link !== null) return unreadable(undebugged(link[1]!), root, link[2]!);
  if (!text.endsWith(')')) return undefined;
  for (const start of endsOf(text, ' : (source: ')) {
    const found = entryWithFault(text.slice(start, -1), root);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** <path>: IO error for operation on <path>: <reason> */
export function entryWithFault(text: string, root: string): UnreadableFile | undefined {
  return twice(text, ': IO error for operation on ', ': ', (path, reason) =>
    reason.includes('\n') ? undefined : unreadable(path, root, reason),
  );
}

/** Error getting xattrs for `<path>`: `<error>`, both in Rust's debug format */
export function fileWithoutAttributes(text: string, root: string): UnreadableFile | undefined {
  const found = /^Error getting xattrs for `"((?:[^"\\]|\\.)*)"`: `([^\n]*)`$/.exec(text);
  if (found === null) return undefined;
  const [, path = '', error = ''] = found;
  const code = /^Os \{ code: (\d+),/.exec(error)?.[1];
  const words = /message: "([^"]*)"/.exec(error)?.[1] ?? error;
  const file = unreadable(undebugged(path), root, code === undefined ? words : `${words} (os error ${code})`);
  return file && { ...file, cause: file.cause === 'vanished' ? 'vanished' : 'attributes' };
}

/** <folder>`⏎Failed to read …: caused by: <reason> */
export function fileThatCannotBeReadOn(text: string): UnreadableFile | undefined {
  const found = /^(\/.*?)`\nFailed to read [^\n]*: caused by: ([^\n]*)$/s.exec(text);
  if (found === null) return undefined;
  const [, folder = '', reason = ''] = found;
  const path = folder === '/' ? '/' : `${folder}/`;
  return { path: escapeName(Buffer.from(path)), cause: 'input-output', reason };
}

/** What the next rustic says of one file in JSON, as restic does. */
export function fileInJson(object: Record<string, unknown>, root: string): UnreadableFile | undefined {
  const { item, error } = object as { item?: unknown; error?: { message?: unknown } };
  if (typeof item !== 'string' || item === '') return undefined;
  const reason = typeof error?.message === 'string' ? error.message : 'It could not be read.';
  return unreadable(item, root, reason) ?? { path: escapeName(Buffer.from(item)), cause: causeOf(reason), reason };
}

/** Whether its file system keeps no attributes at all, so that none is lost. */
export function hasNoAttributes({ cause, reason }: UnreadableFile): boolean {
  return cause === 'attributes' && /\(os error 95\)$/.test(reason);
}

function unreadable(path: string | Buffer, root: string, reason: string): UnreadableFile | undefined {
  const escaped = pathInSnapshot(escapeName(Buffer.from(path)), escapeName(Buffer.from(root)));
  return escaped === undefined ? undefined : { path: escaped, cause: causeOf(reason), reason };
}

function causeOf(reason: string): UnreadableFile['cause'] {
  if (/\(os error (1|13)\)$/.test(reason)) return 'denied';
  return /\(os error 2\)$/.test(reason) ? 'vanished' : 'input-output';
}

/** Takes `<path><middle><path><end><rest>` apart, whatever the path holds. */
function twice<T>(
  text: string,
  middle: string,
  end: string,
  take: (path: string, rest: string) => T | undefined,
): T | undefined {
  for (let at = text.indexOf(middle); at >= 0; at = text.indexOf(middle, at + 1)) {
    const path = text.slice(0, at);
    const second = at + middle.length;
    if (!text.startsWith(path + end, second)) continue;
    const found = take(path, text.slice(second + path.length + end.length));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where each of the marks ends. */
function endsOf(text: string, mark: string): number[] {
  const ends: number[] = [];
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1)) ends.push(at + mark.length);
  return ends;
}

/** Undoes Rust's debug format of a path. */
function undebugged(text: string): Buffer {
  const bytes: Buffer[] = [];
  for (const [, code, byte, character, plain] of text.matchAll(
    /\\(?:u\{([0-9a-f]+)\}|x([0-9A-F]{2})|(.))|([^\\]+)/gs,
  )) {
    if (code !== undefined) bytes.push(Buffer.from(String.fromCodePoint(parseInt(code, 16))));
    else if (byte !== undefined) bytes.push(Buffer.from(byte, 'hex'));
    else bytes.push(Buffer.from(plain ?? { n: '\n', r: '\r', t: '\t', '0': '\0' }[character!] ?? character!));
  }
  return Buffer.concat(bytes);
}

function pathInSnapshot(path: string, root: string): string | undefined {
  if (path === root) return '/';
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}
