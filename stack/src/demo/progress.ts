import { bytesText, durationText, percentText } from './quantities.js';

/** What an operation tells on its way; the same as in the API. */
export interface Progress {
  phase: string;
  bytesDone: number;
  bytesTotal?: number;
  /** Bytes per second. */
  rate?: number;
  secondsRemaining?: number;
}

const BAR_CHARACTERS = 24;
const PHASE_CHARACTERS = 12;

/** How far an operation has come, on one line: with a bar where it counts bytes, else with the time it has taken. */
export function progressLine(progress: Progress | undefined, elapsedMs: number, bar: Bar): string {
  const phase = PHASES[progress?.phase ?? ''] ?? progress?.phase ?? 'waiting';
  const { bytesDone = 0, bytesTotal, rate, secondsRemaining } = progress ?? {};
  const counts = bytesTotal !== undefined && bytesTotal > 0 && bytesDone > 0;
  if (!counts) return `${phase.padEnd(PHASE_CHARACTERS)} ${durationText(elapsedMs)}`;
  const parts = [
    `${phase.padEnd(PHASE_CHARACTERS)} ${barOf(bytesDone / bytesTotal, bar)} ${percentText(bytesDone, bytesTotal).padStart(5)}`,
    `${bytesText(bytesDone)} of ${bytesText(bytesTotal)}`,
    ...(rate === undefined ? [] : [`${bytesText(rate)}/s`]),
    ...(secondsRemaining === undefined || secondsRemaining < 3
      ? []
      : [`${durationText(secondsRemaining * 1000)} left`]),
  ];
  return parts.join('  ');
}

/** What a bar is made of. */
export interface Bar {
  done: string;
  left: string;
}

export const FINE_BAR: Bar = { done: '█', left: '░' };
export const PLAIN_BAR: Bar = { done: '#', left: '.' };

function barOf(share: number, { done, left }: Bar): string {
  const full = Math.min(BAR_CHARACTERS, Math.max(0, Math.floor(share * BAR_CHARACTERS)));
  return done.repeat(full) + left.repeat(BAR_CHARACTERS - full);
}

const PHASES: Record<string, string | undefined> = {
  initialising: 'new storage',
  verifying: 'checking',
  switching: 'swapping in',
};
