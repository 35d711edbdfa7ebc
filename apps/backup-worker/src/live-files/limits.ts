import { MAX_LIVE_ENTRIES } from '@buckets/contracts';

/** The longest file that is read or written as a live file. */
export const LIVE_FILE_BYTES = 8 * 1024 * 1024;

/** The longest part of a file in one call. */
export const PART_BYTES = 1024 * 1024;

/** The longest path in bytes, as it stands in a request: the kernel's PATH_MAX. */
export const PATH_BYTES = 4096;

/** The longest name in bytes: the kernel's NAME_MAX. */
export const NAME_BYTES = 255;

/** Entries on one page. Escaped names are at most four times as long, so that a page stays well below 1 MiB. */
export const PAGE_LIMIT = MAX_LIVE_ENTRIES;

/** Names that are looked through for one page. */
export const FOLDER_ENTRIES = 1_000_000;

/** Calls at once; each holds at most four open files. */
export const CALLS_AT_ONCE = 64;

/** Folders that are made on the way to a file that is written. */
export const FOLDERS_AT_ONCE = 64;

export const OPEN_UPLOADS = 64;

/** How long an upload may rest before it counts as abandoned. */
export const UPLOAD_REST_MS = 10 * 60_000;

/** Entries that one call removes for good; the sweep does what is left. */
export const REMOVALS_AT_ONCE = 50_000;
