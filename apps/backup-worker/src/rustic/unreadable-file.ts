/** Something that a backup could not read, wholly or in part. */
export interface UnreadableFile {
  /**
   * As in the snapshot, such as `/project/notes.txt`. For a fault in the middle of a file rustic names the folder only,
   * which then ends in a slash. Bytes that are no UTF-8 are shown as U+FFFD.
   */
  path: string;
  cause: 'denied' | 'vanished' | 'attributes' | 'input-output';
  /** The system's words. */
  reason: string;
}

/**
 * Reads a warning of `rustic backup` that tells of something unreadable. The texts are those of rustic_core 0.13,
 * `archiver.rs`, `backend/ignore.rs` and `backend/ignore/mapper.rs`.
 *
 * @param root the absolute folder that was backed up
 * @returns undefined for any other warning
 */
export function unreadableFileOf(warning: string, root: string): UnreadableFile | undefined {
  const found =
    readOnOpening(warning) ??
    readOnWalking(warning) ??
    readOnReadingLink(warning) ??
    readOnReadingAttributes(warning) ??
    readInTheMiddle(warning);
  return found && { ...found, path: pathInSnapshot(found.path, root) };
}

type Finding = UnreadableFile | undefined;

/** A name may hold any text, so that the same name has to stand twice where the message has it twice. */
function readOnOpening(warning: string): Finding {
  const start = 'ignoring error: Error: Failed to open ReadSourceOpen at `';
  const middle = '`\nFailed to open file at `';
  if (!warning.startsWith(start)) return undefined;
  return twice(warning.slice(start.length), middle, '`. ', (path, rest) =>
    finding(path, afterLast(rest, 'caused by: ')),
  );
}

function readOnWalking(warning: string): Finding {
  if (!/^ignoring error: Error: Failed to (get next entry from walk iterator|map Directory entry)/.test(warning)) {
    return undefined;
  }
  const source = warning.indexOf(': (source: ');
  const cause = source < 0 ? afterFirst(warning, 'caused by: ') : warning.slice(source + 11).replace(/\)$/, '');
  return twice(cause, ': IO error for operation on ', ': ', finding);
}

function readOnReadingLink(warning: string): Finding {
  const found = /Error reading link target for `"((?:[^"\\]|\\.)*)"`: .*\(source: (.*)\)$/s.exec(warning);
  return found ? finding(unescaped(found[1] ?? ''), found[2] ?? '') : undefined;
}

function readOnReadingAttributes(warning: string): Finding {
  const start = /^ignoring error obtaining xargs: Error getting xattrs for `"((?:[^"\\]|\\.)*)"`: /.exec(warning);
  if (!start) return undefined;
  const reason = /message: "([^"]*)"/.exec(warning.slice(start[0].length))?.[1] ?? '';
  return { path: unescaped(start[1] ?? ''), cause: 'attributes', reason };
}

function readInTheMiddle(warning: string): Finding {
  const found = /^ignoring error: Error: Error while backing up `(.*)`\nFailed to read .*caused by: (.*)$/s.exec(
    warning,
  );
  return found ? finding(`${found[1]}/`, found[2] ?? '') : undefined;
}

function finding(path: string, reason: string): UnreadableFile {
  return { path, cause: causeOf(reason), reason };
}

function causeOf(reason: string): UnreadableFile['cause'] {
  if (/os error (1|13)\b/.test(reason)) return 'denied';
  return /os error 2\b/.test(reason) ? 'vanished' : 'input-output';
}

/** Takes `<path><middle><path><end><rest>` apart, whatever the path holds. */
function twice(
  text: string,
  middle: string,
  end: string,
  take: (path: string, rest: string) => UnreadableFile,
): Finding {
  for (let at = text.indexOf(middle); at >= 0; at = text.indexOf(middle, at + 1)) {
    const path = text.slice(0, at);
    const second = at + middle.length;
    if (text.startsWith(path + end, second)) return take(path, text.slice(second + path.length + end.length));
  }
  return undefined;
}

function afterFirst(text: string, mark: string): string {
  const at = text.indexOf(mark);
  return at < 0 ? text : text.slice(at + mark.length);
}

function afterLast(text: string, mark: string): string {
  const at = text.lastIndexOf(mark);
  return at < 0 ? text : text.slice(at + mark.length);
}

/** Undoes Rust's debug format of a path. */
function unescaped(debugged: string): string {
  return debugged.replace(/\\(?:u\{([0-9a-f]+)\}|x[0-9A-F]{2}|(.))/gs, (_, code?: string, character?: string) => {
    if (code !== undefined) return String.fromCodePoint(parseInt(code, 16));
    if (character === undefined) return '\ufffd';
    return { n: '\n', r: '\r', t: '\t', '0': '\0' }[character] ?? character;
  });
}

function pathInSnapshot(path: string, root: string): string {
  if (path === root) return '/';
  return path.startsWith(`${root}/`) ? path.slice(root.length) : path;
}
