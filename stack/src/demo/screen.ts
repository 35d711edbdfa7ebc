import { styleText } from 'node:util';
import { FINE_BAR, PLAIN_BAR, type Bar } from './progress.js';

type Style = Parameters<typeof styleText>[0];

const REDRAW_MS = 100;
/** Where nothing can be drawn over, a line shows that something goes on: the first so soon, then ever more seldom. */
const FIRST_PLAIN_LINE_MS = 1_500;
const LONGEST_PLAIN_PAUSE_MS = 30_000;
const INDENT = '       ';
const WIDEST = 100;

/** What the demo prints: numbered steps, lines below them, and one line that is drawn again and again. */
export class Screen {
  #step = 0;
  #drawing: NodeJS.Timeout | undefined;
  #isDrawn = false;
  #hasEnded = false;

  constructor(
    private readonly out: NodeJS.WriteStream,
    private readonly steps: number,
  ) {}

  /** What a bar may be made of: a terminal that does not say UTF-8 gets ASCII. */
  get bar(): Bar {
    const { LC_ALL, LC_CTYPE, LANG } = process.env;
    return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '') ? FINE_BAR : PLAIN_BAR;
  }

  title(text: string): void {
    this.#write(`\n${this.#styled('bold', text)}\n`);
  }

  step(text: string): void {
    this.#step++;
    this.#write(`\n${this.#styled('dim', `  ${this.#step}/${this.steps}  `)}${this.#styled('bold', text)}\n`);
  }

  line(text: string, style?: Style): void {
    for (const line of wrapped(text, this.#width - INDENT.length)) {
      this.#write(`${INDENT}${style === undefined ? line : this.#styled(style, line)}\n`);
    }
  }

  /** Prints what is laid out already. */
  block(lines: readonly string[]): void {
    this.#write(lines.map((line) => `  ${line}`.trimEnd() + '\n').join(''));
  }

  /** Shows a line that is made anew again and again while the work goes on, and takes it away in the end. */
  async while<T>(text: (elapsedMs: number) => string, work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const textNow = () => text(performance.now() - began);
    if (this.out.isTTY) this.#draw(textNow);
    else this.#printNowAndThen(textNow, FIRST_PLAIN_LINE_MS);
    try {
      return await work();
    } finally {
      clearTimeout(this.#drawing);
      this.#wipe();
    }
  }

  /** Whatever is still going on prints nothing any more. */
  end(): void {
    clearTimeout(this.#drawing);
    this.#wipe();
    this.#hasEnded = true;
  }

  #draw(textNow: () => string): void {
    if (this.#hasEnded) return;
    const text = `${INDENT}${textNow()}`.slice(0, this.#width - 1);
    this.out.write(`\r\x1b[K${this.#styled('cyan', text)}`);
    this.#isDrawn = true;
    this.#drawing = setTimeout(() => this.#draw(textNow), REDRAW_MS);
  }

  #printNowAndThen(textNow: () => string, afterMs: number): void {
    this.#drawing = setTimeout(() => {
      if (this.#hasEnded) return;
      this.line(textNow());
      this.#printNowAndThen(textNow, Math.min(2 * afterMs, LONGEST_PLAIN_PAUSE_MS));
    }, afterMs);
  }

  get #width(): number {
    return this.out.isTTY ? Math.min(this.out.columns || 80, WIDEST) : WIDEST;
  }

  #write(text: string): void {
    if (this.#hasEnded) return;
    this.#wipe();
    this.out.write(text);
  }

  #wipe(): void {
    if (this.#isDrawn) this.out.write('\r\x1b[K');
    this.#isDrawn = false;
  }

  #styled(style: Style, text: string): string {
    return styleText(style, text, { stream: this.out });
  }
}

/** Breaks at spaces; a word that is longer than a line stays whole. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
