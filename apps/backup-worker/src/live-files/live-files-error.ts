import { errorCode } from '../file-system/paths.js';
import { FOLDERS_AT_ONCE, NAME_BYTES, PATH_BYTES } from './limits.js';

export type LiveFilesErrorCode =
  | 'access-denied'
  | 'bad-cursor'
  | 'bad-path'
  | 'bad-project-id'
  | 'bad-range'
  | 'changed-while-reading'
  | 'disk-full'
  | 'file-not-found'
  | 'file-too-large'
  | 'folder-too-large'
  | 'is-a-folder'
  | 'not-a-folder'
  | 'not-a-regular-file'
  | 'other-file-system'
  | 'path-is-a-link'
  | 'project-folder-missing'
  | 'storage-failed'
  | 'too-busy'
  | 'upload-differs'
  | 'upload-unknown';

const WHAT_TO_DO: Record<LiveFilesErrorCode, string> = {
  'access-denied': 'The worker has no right to do this here. Check the owner and the mode.',
  'bad-cursor': 'The cursor is not one that a listing gave. List from the beginning.',
  'bad-path': 'Give a path such as project/notes/a.txt.',
  'bad-project-id': 'A project id has 1 to 63 lower-case letters, digits and dashes, and does not begin with a dash.',
  'bad-range': 'Give an offset and a length in whole bytes, within the limits.',
  'changed-while-reading': 'The file changed while it was being read. Read it again from the beginning.',
  'disk-full': 'The disk or the quota of the host is full. Remove something first.',
  'file-not-found': 'There is no such file or folder. List the folder above it.',
  'file-too-large': 'Live files are read and written up to 8 MiB. Use a backup or a copy for larger ones.',
  'folder-too-large': 'The folder has too many entries to be listed.',
  'is-a-folder': 'This is a folder. List it, or give the path of a file in it.',
  'not-a-folder': 'A part of the path is not a folder. List the folder above it.',
  'not-a-regular-file': 'This is a FIFO, a socket or a device: it has no content that could be read or written.',
  'other-file-system': "The path is on another file system than the worker's uploads. Mount nothing inside a project.",
  'path-is-a-link':
    'A part of the path is a symbolic link, and links are not followed. Use the path that it points to.',
  'project-folder-missing': "The project's folder is not on this host. Start the project to bring it back.",
  'storage-failed': "The host's file system failed. Look at the worker's log.",
  'too-busy': 'The worker has too many requests for live files at the moment. Try again in a few seconds.',
  'upload-differs': 'What arrived is not what was announced by length and SHA-256. Upload it again.',
  'upload-unknown': 'There is no such upload; it may have ended or rested for too long. Upload the file again.',
};

/** Whatever a live file call refuses or fails with; the message says what to do next. */
export class LiveFilesError extends Error {
  override readonly name = 'LiveFilesError';

  constructor(
    readonly code: LiveFilesErrorCode,
    { detail = WHAT_TO_DO[code], ...options }: ErrorOptions & { detail?: string } = {},
  ) {
    super(detail, options);
  }
}

/** The rules of paths. */
const BAD_PATHS = {
  root: 'begins with project/ or persist/, as in project/notes/a.txt',
  'below-root': 'names something below project/ or persist/: these themselves stay as they are',
  'too-long': `has ${PATH_BYTES} bytes at most`,
  'name-empty': 'has no empty name in it: no // and no / at its end',
  'name-too-long': `has names of ${NAME_BYTES} bytes at most`,
  'name-escaped': 'writes what is no text, and backslashes, by \\x and two digits, as a listing does',
  'name-dots': 'has no name "." or ".."',
  'name-forbidden': 'has no name with a NUL byte or a slash in it',
  'too-deep': `makes ${FOLDERS_AT_ONCE} folders at most`,
} as const;

/** A path that breaks a rule. */
export function badPath(rule: keyof typeof BAD_PATHS): LiveFilesError {
  return new LiveFilesError('bad-path', { detail: `A path here ${BAD_PATHS[rule]}. ${WHAT_TO_DO['bad-path']}` });
}

/** To remove a folder has to be asked for in so many words. */
export function folderToRemove(): LiveFilesError {
  return new LiveFilesError('is-a-folder', {
    detail: 'This is a folder. Remove it with all that is in it by recursive=true.',
  });
}

const CODES: Record<string, LiveFilesErrorCode> = {
  EACCES: 'access-denied',
  EPERM: 'access-denied',
  EROFS: 'access-denied',
  EDQUOT: 'disk-full',
  ENOSPC: 'disk-full',
  ENOENT: 'file-not-found',
  EISDIR: 'is-a-folder',
  ENOTDIR: 'not-a-folder',
  ENXIO: 'not-a-regular-file',
  EXDEV: 'other-file-system',
  ELOOP: 'path-is-a-link',
  ENAMETOOLONG: 'bad-path',
  EAGAIN: 'too-busy',
  EMFILE: 'too-busy',
  ENFILE: 'too-busy',
};

/** What the file system said, in the words of this interface. */
export function asLiveFilesError(error: unknown): LiveFilesError {
  if (error instanceof LiveFilesError) return error;
  return new LiveFilesError(CODES[errorCode(error) ?? ''] ?? 'storage-failed', { cause: error });
}
