/** The object on a line of rustic's output, or undefined where the line is plain text. */
export function jsonLine(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    // Plain text that happens to begin with a brace.
    return undefined;
  }
}
