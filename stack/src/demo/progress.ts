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

const BAR_CHARACTERS = 18;
const PHASE_CHARACTERS = 11;
/** Less is not worth telling. */
const SECONDS_TOLD = 3;

/** How far an operation has come, on one line: with a bar where it counts bytes, else with the time it has taken. */
export function progressLine(progress: Progress | undefined, elapsedMs: number, bar: Bar): string {
  const { phase = 'waiting', bytesDone = 0, bytesTotal = 0, rate = 0, secondsRemaining = 0 } = progress ?? {};
  const doing = (PHASES[phase] ?? phase).padEnd(PHASE_CHARACTERS);
  if (bytesDone === 0 || bytesTotal === 0) return `${doing} ${durationText(elapsedMs)}`;
  // A file may have grown since it was counted.
  const done = Math.min(bytesDone, bytesTotal);
  const speed =
    secondsRemaining >= SECONDS_TOLD
      ? `${durationText(secondsRemaining * 1000)} left`
      : rate > 0
        ? `${bytesText(rate)}/s`
        : '';
  const percent = percentText(done, bytesTotal).padStart(5);
  return `${doing} ${barOf(done / bytesTotal, bar)} ${percent}  ${bytesText(done)} of ${bytesText(bytesTotal)}  ${speed}`.trimEnd();
}

/** What a bar is made of. */
export interface Bar {
  done: string;
  left: string;
}

export const FINE_BAR: Bar = { done: '█', left: '░' };
export const PLAIN_BAR: Bar = { done: '#', left: '.' };

function barOf(share: number, { done, left }: Bar): string {
  const full = Math.floor(share * BAR_CHARACTERS);
  return done.repeat(full) + left.repeat(BAR_CHARACTERS - full);
}

const PHASES: Record<string, string | undefined> = {
  initialising: 'new storage',
  verifying: 'checking',
  switching: 'swapping in',
};
