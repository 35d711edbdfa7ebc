export { patience } from './patience.js';
export { NotInTime, until, type UntilOptions } from './until.js';
