import 'reflect-metadata';

export * from './activity.js';
export * from './asks.js';
export * from './backup-events.js';
export * from './backup.js';
export {
  holdsUnstorableText,
  MAX_MESSAGE_BYTES,
  MESSAGE_BOUNDS,
  readJson,
  UnreadableJson,
  type JsonBounds,
} from './bounded-json.js';
export type { Checked } from './check-data.js';
export * from './claims.js';
export * from './commands.js';
export * from './confirmation.js';
export { countText, someNames } from './count-text.js';
export * from './counter.js';
export * from './damage.js';
export * from './envelope.js';
export * from './events.js';
export * from './ids.js';
export * from './intents.js';
export * from './limits.js';
export * from './operation-events.js';
export * from './progress.js';
export * from './registry.js';
export * from './requests.js';
export * from './retention.js';
export { BackupId, Count, Generation, Id, List, Moment, momentAt, Nested, NestedList, Optional } from './shape.js';
export * from './shrinkage.js';
export * from './snapshot.js';
export * from './subjects.js';
export * from './vocabulary.js';
