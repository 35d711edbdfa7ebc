import { emptyList, note, type BoundedList } from './bounded-list.js';
import type { Message } from './messages.js';

const LONGEST_TAIL = 4_000;

/** What a run wrote on its error stream, without secrets and bounded. */
export class Transcript {
  readonly warnings: BoundedList<string> = emptyList();
  readonly errors: BoundedList<string> = emptyList();
  readonly infos: BoundedList<string> = emptyList();
  /** The end of all errors, for the class of a failure and for people. */
  errorTail = '';

  /** @param listen hears warnings and errors; a warning for which it answers true is not kept here */
  constructor(
    private readonly secrets: readonly string[],
    private readonly listen: (message: Message) => boolean = () => false,
  ) {}

  readonly take = (message: Message): void => {
    const text = redacted(message.text, this.secrets);
    if (message.level === 'info') return note(this.infos, text);
    const taken = this.listen({ ...message, text });
    if (message.level === 'error') this.takeError(text);
    else if (!taken) note(this.warnings, text);
  };

  private takeError(text: string): void {
    note(this.errors, text);
    this.errorTail = `${this.errorTail}\n${text}`.trimStart().slice(-LONGEST_TAIL);
  }
}

/** Takes out secrets, signatures of addresses, and the headers of answers, which help nobody. */
export function redacted(text: string, secrets: readonly string[]): string {
  return secrets
    .reduce((shown, secret) => shown.replaceAll(secret, '[redacted]'), text)
    .replace(/(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s"]+/gi, '$1[redacted]')
    .replace(/headers: \{[^}]*\}/g, 'headers: {…}');
}
