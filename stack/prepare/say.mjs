/** A line about what is being done. Not on stdout: that belongs to the task itself. */
export function say(line) {
  process.stderr.write(`${clear()}${line}\n`);
}

/** What the person at the keyboard has to do. */
export class Advice extends Error {}

/** Says what is done and how long it usually takes, then how long it took. */
export async function saying(what, usually, work) {
  const startedAt = Date.now();
  say(`${what} (${usually}) …`);
  const result = await work();
  say(`${what}: done in ${duration(Date.now() - startedAt)}`);
  return result;
}

let shownAt = 0;
let isShowing = false;

/** Shows that slow work lives: in place on a terminal, else as a line now and then. */
export function showProgress(text) {
  const wait = process.stderr.isTTY ? 200 : 20_000;
  if (Date.now() - shownAt < wait) return;
  shownAt = Date.now();
  if (!process.stderr.isTTY) return process.stderr.write(`  ${text}\n`);
  process.stderr.write(`${clear()}  ${text.slice(0, (process.stderr.columns || 80) - 3)}`);
  isShowing = true;
}

export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function clear() {
  if (!isShowing) return '';
  isShowing = false;
  return '\r\x1b[K';
}
