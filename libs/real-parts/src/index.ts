export { findTool, ToolMissing } from './find-tool.js';
export { freePorts, HeldPorts } from './free-ports.js';
export { managerOf } from './manager-of.js';
export { startNatsCluster } from './nats-cluster.js';
export type { NatsCluster } from './nats-cluster.js';
export { startSeaweedFs } from './seaweedfs.js';
export type { BucketAccess, SeaweedFs } from './seaweedfs.js';
export { programWithWrongClock, wrongClock, type WrongClock } from './wrong-clock.js';
