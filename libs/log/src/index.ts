export * from './append.js';
export * from './connection.js';
export * from './dead-letters.js';
export * from './errors.js';
export { Headway, HEADWAY_LIMIT_MS, NoHeadway } from './headway.js';
export { changeInPieces, upsertInPieces } from './in-pieces.js';
export { knownLog } from './known-log.js';
export * from './latest-reader.js';
export { alone, Lead } from './lead.js';
export { LeftOut } from './left-out.js';
export * from './nats-settings.js';
export { News } from './news.js';
export { hashOf, PositionRow, type StoredPosition } from './position.js';
export * from './projection.js';
export { ProjectionHeadway } from './projection-headway.js';
export { Projector, type ProjectorLogger } from './projector.js';
export * from './pull-server.js';
export * from './rebuild.js';
export * from './request.js';
export * from './restore-log.js';
export {
  ACK_WAIT_MS,
  DEFAULT_LIMITS,
  hostsToProvision,
  isStreamMissing,
  logIdentity,
  provisionHostConsumers,
  provisionStreams,
  streamInfo,
  type QueueStart,
  type StreamLimits,
} from './streams.js';
