import type { Progress } from '@buckets/contracts';
import type { ControlPlane } from '../control-plane/control-plane.js';
import type { OpenOperation } from './open-operation.js';

/** What is told once is forgotten after five minutes. */
const TOLD_AGAIN_MS = 60_000;
/** Most backups are over before, and are made over and over: what each of their steps costs counts. */
const BETWEEN_OF_BACKUP_MS = 250;

type Said = Omit<Progress, 'at' | 'attempt'>;

/**
 * Tells how far an attempt has come. Of what a backup has to say soon after a word, only the latest is told, and nothing
 * once it is disposed of: the attempt has ended then.
 */
export class ToldProgress implements Disposable {
  private readonly betweenMs: number;
  private latest: Progress | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly listener: Pick<ControlPlane, 'progress'>,
    private readonly operation: OpenOperation,
    private readonly attempt: number,
  ) {
    this.betweenMs = operation.intent.kind === 'backup' ? BETWEEN_OF_BACKUP_MS : 0;
  }

  readonly tell = (said: Said): void => {
    this.latest = { ...said, attempt: this.attempt, at: Date.now() };
    if (this.timer === undefined) this.tellLatest();
  };

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
    this.latest = undefined;
  }

  private readonly tellLatest = (): void => {
    this.timer = undefined;
    if (this.latest === undefined) return;
    const { intent, id } = this.operation;
    this.listener.progress(intent.projectId, id, this.latest);
    this.latest = undefined;
    if (this.betweenMs > 0) this.timer = setTimeout(this.tellLatest, this.betweenMs);
  };
}

/** Tells that the operation waits, now and over and over until it is disposed of. */
export function tellWaiting({ tell }: Pick<ToldProgress, 'tell'>): Disposable {
  const once = () => tell({ phase: 'waiting', bytesDone: 0 });
  once();
  const timer = setInterval(once, TOLD_AGAIN_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
