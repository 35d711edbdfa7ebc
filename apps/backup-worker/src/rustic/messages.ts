import { Lines } from './lines.js';

/** One message of rustic on its error stream; it may have several lines. */
export interface Message {
  level: 'info' | 'warning' | 'error';
  text: string;
}

/** Tells how far messages reach that hold a name: a name may hold any text, also what looks like further messages. */
export interface Extents {
  /** Whether a message that begins so may hold a name. */
  mayHoldName: (text: string) => boolean;
  /** How often such a message says the name; 0 when this is none from its beginning to its end. */
  namesIn: (text: string) => 0 | 1 | 2;
}

/** A path has 4,096 bytes at most, and stands in a message four times at most. What is longer is cut off. */
const LONGEST_MESSAGE = 5 * 4096;
const BEGINNING =
  /^(?:\[(INFO|WARN|ERROR)\] |(error: |thread '|memory allocation of |\{"message_type":|Warning: at least one source file ))/;

/** What looks like a message of its own, as long as nobody has found out which message it belongs to. */
interface Piece extends Message {
  /** What was cut off before the text. */
  mark: string;
}

/**
 * Reads rustic's error stream. A message begins with its level, or is an error that ends the program (`error: …`, a
 * panic, exhausted memory), or is JSON; lines without a beginning belong to the message before them. What stands before
 * the first beginning is an error too: nothing is lost.
 */
export class Messages {
  private readonly pieces: Piece[] = [];
  /** Characters of all pieces. */
  private length = 0;
  private readonly lines = new Lines((line) => this.takeLine(line));

  constructor(
    private readonly onMessage: (message: Message) => void,
    private readonly extents?: Extents,
  ) {}

  write(chunk: Uint8Array): void {
    this.lines.write(chunk);
  }

  end(): void {
    this.lines.end();
    while (this.pieces.length > 0) this.pass();
  }

  private takeLine(line: string): void {
    const beginning = BEGINNING.exec(line);
    const last = this.pieces.at(-1);
    if (beginning) {
      const mark = beginning[1] === undefined ? '' : beginning[0];
      this.begin({ level: levelOf(beginning[1]), mark, text: line.slice(mark.length) });
    } else if (last) {
      this.append(last, `\n${line}`);
    } else if (line.trim() !== '') {
      this.begin({ level: 'error', mark: '', text: line });
    }
  }

  private begin(piece: Piece): void {
    piece.text = piece.text.slice(0, LONGEST_MESSAGE);
    this.pieces.push(piece);
    this.length += piece.text.length;
    while (this.pieces.length > 1 && this.isDecidable(this.pieces[0]!)) this.pass();
  }

  private append(piece: Piece, text: string): void {
    const more = text.slice(0, LONGEST_MESSAGE - piece.text.length);
    piece.text += more;
    this.length += more.length;
  }

  /** Whether all is here that may belong to it. */
  private isDecidable({ text }: Piece): boolean {
    return this.extents?.mayHoldName(text) !== true || this.length - text.length > LONGEST_MESSAGE;
  }

  private pass(): void {
    const [first, ...following] = this.pieces as [Piece, ...Piece[]];
    const reach = this.extents?.mayHoldName(first.text) ? reachOf(first, following, this.extents) : 0;
    const whole = this.pieces.splice(0, 1 + reach);
    for (const { text } of whole) this.length -= text.length;
    this.onMessage({ level: first.level, text: joined(whole).trimEnd() });
  }
}

/**
 * How many of the pieces that follow belong to the first: as few as make it whole. But where a message that says its name
 * twice stands there once more, it is a part of a name that imitates a message, and the message is the longest one.
 */
function reachOf(first: Piece, following: readonly Piece[], { namesIn }: Extents): number {
  const names = namesIn(first.text.trimEnd());
  const content = contentOf(first.text);
  if (names === 1 || (names === 2 && !following.some(({ text }) => text.includes(content)))) return 0;
  let reach = 0;
  for (let count = 1; count <= following.length; count++) {
    if (namesIn(joined([first, ...following.slice(0, count)]).trimEnd()) === 0) continue;
    reach = count;
    if (names === 0) break;
  }
  return reach;
}

/** From the first name on. */
function contentOf(text: string): string {
  return text.slice(text.indexOf('/')).trimEnd();
}

/** The first one without its mark. */
function joined([first, ...others]: readonly Piece[]): string {
  return [first?.text ?? '', ...others.map(({ mark, text }) => `${mark}${text}`)].join('\n');
}

function levelOf(mark: string | undefined): Message['level'] {
  if (mark === 'INFO') return 'info';
  return mark === 'WARN' ? 'warning' : 'error';
}
