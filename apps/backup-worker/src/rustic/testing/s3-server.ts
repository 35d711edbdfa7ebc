export { startSeaweedFs, type SeaweedFs } from '../../../../../libs/object-storage/src/testing/seaweedfs.js';
