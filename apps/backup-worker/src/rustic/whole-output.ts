const MOST_CHARACTERS = 64 * 1024 * 1024;

/** All that a command writes, where that is known to be a list of reasonable length. */
export class WholeOutput {
  private readonly lines: string[] = [];
  private characters = 0;

  readonly take = (line: string): void => {
    this.characters += line.length + 1;
    if (this.characters <= MOST_CHARACTERS) this.lines.push(line);
  };

  /** @throws RangeError when there was more than 64 Mi characters */
  get text(): string {
    if (this.characters > MOST_CHARACTERS)
      throw new RangeError('rustic wrote more than 64 MiB where a list was expected.');
    return this.lines.join('\n');
  }
}
