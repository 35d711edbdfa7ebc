import type { RawPath } from './raw-path.js';

/** What an entry is to be besides its content. The last step of growing applies it, as each later change would touch it. */
export interface Planted {
  path: RawPath;
  /** Python makes these; all else is there already. */
  make?: 'fifo' | 'socket';
  owner?: [uid: number, gid: number];
  mode?: number;
  mtimeNs?: bigint;
  /** Name to value. */
  xattrs?: Record<string, Buffer>;
}
