export { findTool, ToolMissing } from './find-tool.js';
export { freePorts } from './free-ports.js';
export { startSeaweedFs } from './seaweedfs.js';
export type { BucketAccess, SeaweedFs } from './seaweedfs.js';
