export { describeSettings } from './describe.js';
export {
  boolean,
  bytes,
  choice,
  choices,
  command,
  duration,
  durations,
  filePath,
  integer,
  port,
  string,
  url,
} from './kinds.js';
export { formatBytes, formatDuration, parseBytes, parseDuration } from './quantities.js';
export { Secret } from './secret.js';
export { secret, secretUrl } from './secret-kinds.js';
export { requiredWith, type Environment, type Setting } from './setting.js';
export { defineSettings, readSettings, SettingsError } from './settings.js';
export type { SettingProblem, Settings, SettingsOf } from './settings.js';
