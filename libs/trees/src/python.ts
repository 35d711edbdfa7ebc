import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const LIFETIME_MS = 15 * 60_000;

/**
 * Python does what Node has no call for: extended attributes, times to the nanosecond, FIFOs. One process answers any
 * number of requests, one line for each line, in order. The script reads `sys.stdin` and must flush each answer.
 */
export class Python implements AsyncDisposable {
  readonly #child;
  readonly #answers: AsyncIterator<string>;
  readonly #ended: Promise<string>;

  constructor(script: string, ...args: string[]) {
    this.#child = spawn('python3', ['-I', '-c', script, ...args], { timeout: LIFETIME_MS, killSignal: 'SIGKILL' });
    this.#ended = howItEnded(this.#child);
    // A broken pipe shows as an answer that is missing, which ask() reports with the reason.
    this.#child.stdin.on('error', () => undefined);
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @throws Error with python's own words when it is missing or fails */
  async ask(requests: readonly string[]): Promise<string[]> {
    if (requests.length > 0) this.#child.stdin.write(`${requests.join('\n')}\n`);
    const answers: string[] = [];
    while (answers.length < requests.length) {
      const answer = await this.#answers.next();
      if (answer.done) throw new Error(`python3 did not answer: ${await this.#ended}`);
      answers.push(answer.value);
    }
    return answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    this.#child.stdout.resume();
    await this.#ended;
  }
}

/** Never rejects: what a process that failed had to say is told by whoever misses its answer. */
function howItEnded(child: ReturnType<typeof spawn>): Promise<string> {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (words = (words + chunk).slice(-2000)));
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`${error.message}; install python3`));
    child.once('close', (code, signal) => resolve(`exit ${signal ?? code} ${words.trim()}`));
  });
}
