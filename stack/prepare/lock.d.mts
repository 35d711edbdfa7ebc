/** Names one process for good: a number alone is given out again. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly started: string;
}

export interface Lock {
  readonly holder?: ProcessIdentity;
}

export function identityOf(pid: number): ProcessIdentity | undefined;
export function isAlive(identity: ProcessIdentity): boolean;
export function takeLock<L extends Lock>(file: string, onTakeOver?: (dead: L) => void): L | undefined;
export function readLock<L extends Lock>(file: string): L | undefined;
export function dropLock(file: string): void;
