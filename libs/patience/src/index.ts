export { Backoff } from './backoff.js';
export { patience, patient } from './patience.js';
export { quietPause } from './quiet-pause.js';
export { NotInTime, until, type UntilOptions } from './until.js';
