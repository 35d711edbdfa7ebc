import { chmodSync, writeFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** When the product runs an operator's command. */
export type Moment = 'start' | 'stop' | 'before' | 'after';

const SETTINGS: Record<Moment, string> = {
  start: 'BUCKETS_START_HOOK',
  stop: 'BUCKETS_STOP_HOOK',
  before: 'BUCKETS_SNAPSHOT_BEFORE',
  after: 'BUCKETS_SNAPSHOT_AFTER',
};

/** An operator's command that keeps what it was told, and does as a test bids. */
export class OperatorsCommand {
  constructor(private readonly folder: string) {}

  /** Writes the command and gives the settings that name it. */
  install(): Record<string, string> {
    writeFileSync(
      this.#file('command'),
      `#!/bin/sh
cd '${this.folder}' || exit 99
env | grep '^BUCKETS_PROJECT' | sort > "told-$1-$BUCKETS_PROJECT_ID"
cat "print-$1" 2> /dev/null
exit "$(cat "exit-$1" 2> /dev/null || echo 0)"
`,
    );
    chmodSync(this.#file('command'), 0o700);
    const setting = ([moment, name]: [string, string]) => [name, JSON.stringify([this.#file('command'), moment])];
    return Object.fromEntries(Object.entries(SETTINGS).map(setting)) as Record<string, string>;
  }

  /** What it prints from now on, and how it ends. */
  async bid(moment: Moment, { print = '', exit = 0 }: { print?: string; exit?: number } = {}): Promise<void> {
    await writeFile(this.#file(`print-${moment}`), print);
    await writeFile(this.#file(`exit-${moment}`), `${exit}`);
  }

  /** The environment in which it was last run for a project; undefined when it was not, or when that was asked before. */
  async told(moment: Moment, projectId: string): Promise<Record<string, string> | undefined> {
    const file = this.#file(`told-${moment}-${projectId}`);
    const text = await readFile(file, 'utf8').catch(() => undefined);
    await rm(file, { force: true });
    if (text === undefined) return undefined;
    return Object.fromEntries(
      text
        .trim()
        .split('\n')
        .map((line) => line.split('=') as [string, string]),
    );
  }

  #file(name: string): string {
    return join(this.folder, name);
  }
}
