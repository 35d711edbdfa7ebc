export { clockSkewOf, measureClockSkew, REFUSED_SKEW_MS, skewInWords } from './clock-skew.js';
export * from './object-storage-error.js';
export type * from './object-store.js';
export { S3ObjectStore } from './s3-object-store.js';
export type { S3Access, S3Limits } from './s3-object-store.js';
