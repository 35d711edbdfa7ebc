export { LiveFiles, type LiveFilesOptions, type LivePart, type WriteOptions } from './live-files.js';
export type { LiveEntry, LivePage } from './folder-page.js';
export { LiveFilesError, type LiveFilesErrorCode } from './live-files-error.js';
export { LIVE_FILE_BYTES, PAGE_LIMIT, PART_BYTES } from './limits.js';
