import { Lines } from './lines.js';

/** One message of rustic on its error stream; it may have several lines. */
export interface Message {
  level: 'info' | 'warning' | 'error';
  text: string;
}

const LONGEST_MESSAGE = 8 * 1024;
const BEGINNING = /^(?:\[(INFO|WARN|ERROR)\] |(error: |thread '|memory allocation of ))/;

/**
 * Reads rustic's error stream. A message begins with its level, or is an error that ends the program (`error: …`, a
 * panic, exhausted memory); lines without a beginning belong to the message before them. What stands before the
 * first beginning is an error too: nothing is lost.
 */
export class Messages {
  private current: Message | undefined;
  private readonly lines = new Lines((line) => this.takeLine(line));

  constructor(private readonly onMessage: (message: Message) => void) {}

  write(chunk: Uint8Array): void {
    this.lines.write(chunk);
  }

  end(): void {
    this.lines.end();
    this.finish();
  }

  private takeLine(line: string): void {
    const beginning = BEGINNING.exec(line);
    if (beginning) {
      this.finish();
      const text = beginning[1] ? line.slice(beginning[0].length) : line;
      this.current = { level: levelOf(beginning[1]), text: text.slice(0, LONGEST_MESSAGE) };
    } else if (this.current) {
      if (this.current.text.length < LONGEST_MESSAGE) this.current.text += `\n${line}`;
    } else if (line.trim() !== '') {
      this.current = { level: 'error', text: line.slice(0, LONGEST_MESSAGE) };
    }
  }

  private finish(): void {
    if (!this.current) return;
    this.onMessage({ level: this.current.level, text: this.current.text.trimEnd() });
    this.current = undefined;
  }
}

function levelOf(mark: string | undefined): Message['level'] {
  if (mark === 'INFO') return 'info';
  return mark === 'WARN' ? 'warning' : 'error';
}
