import { jsonLine } from './json-line.js';

/** How far a run has come. Bytes are bytes of files as people see them, not of what goes over the network. */
export interface RusticProgress {
  phase: 'preparing' | 'scanning' | 'uploading' | 'restoring' | 'verifying' | 'pruning' | 'finishing';
  bytesDone: number;
  /** Unknown until the scan, which goes on beside the upload, has ended. */
  bytesTotal?: number;
  filesTotal?: number;
  secondsRemaining?: number;
}

export type OnProgress = (progress: RusticProgress) => void;

/** What rustic writes with `--json-progress`, one object a line, while it counts bytes. */
interface StatusLine {
  total_bytes?: number;
  bytes_done?: number;
  seconds_remaining?: number;
}

/**
 * @param line one of rustic's output
 * @param working what the command does while it counts bytes
 * @param filesTotal where the command told it before
 * @returns undefined when the line tells of something else
 */
export function progressOf(
  line: string,
  working: 'uploading' | 'restoring' | 'verifying' | 'pruning',
  filesTotal?: number,
): RusticProgress | undefined {
  const object = jsonLine(line);
  if (object?.['message_type'] !== 'status') return undefined;
  const status = object as StatusLine;
  const bytesDone = status.bytes_done ?? 0;
  const bytesTotal = status.total_bytes;
  const complete = bytesTotal !== undefined && bytesDone >= bytesTotal;
  return {
    phase: bytesTotal === undefined ? 'scanning' : complete && working !== 'verifying' ? 'finishing' : working,
    bytesDone,
    bytesTotal,
    filesTotal,
    secondsRemaining: status.seconds_remaining,
  };
}
