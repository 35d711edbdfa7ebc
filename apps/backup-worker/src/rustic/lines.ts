import { StringDecoder } from 'node:string_decoder';

/** Cuts a stream of bytes into lines. What a line has beyond its bound is dropped, so that nothing grows without end. */
export class Lines {
  private readonly decoder = new StringDecoder('utf8');
  private rest = '';

  constructor(
    private readonly onLine: (line: string) => void,
    private readonly longest = 64 * 1024,
  ) {}

  write(chunk: Uint8Array): void {
    this.take(this.decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  end(): void {
    this.take(this.decoder.end());
    if (this.rest !== '') this.onLine(this.rest);
    this.rest = '';
  }

  private take(text: string): void {
    const lines = text.split('\n');
    lines[0] = this.rest + lines[0];
    this.rest = this.cut(lines.pop() ?? '');
    for (const line of lines) this.onLine(this.cut(line));
  }

  private cut(line: string): string {
    return line.length > this.longest ? line.slice(0, this.longest) : line;
  }
}
