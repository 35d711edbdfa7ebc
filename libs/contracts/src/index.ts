import 'reflect-metadata';

export * from './activity.js';
export * from './asks.js';
export * from './backup.js';
export * from './claims.js';
export * from './commands.js';
export * from './counter.js';
export * from './envelope.js';
export * from './events.js';
export * from './ids.js';
export * from './intents.js';
export * from './limits.js';
export * from './progress.js';
export * from './registry.js';
export * from './requests.js';
export { BackupId, Count, Generation, Id, List, Moment, Nested, NestedList, Optional } from './shape.js';
export * from './subjects.js';
export * from './vocabulary.js';
