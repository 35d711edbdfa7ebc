/** Codes that hosts and callers have a hand in: so many have a label of their own, in each process. */
const MAX_LABELS = 100;

/** Labels of a metric that come from outside. What looks like no code, or is one too many, is `other`. */
export class BoundedLabels {
  private readonly known = new Set(['']);

  of(code: string): string {
    if (this.known.has(code)) return code;
    if (this.known.size > MAX_LABELS || !/^[a-z][a-z0-9-]{0,62}$/.test(code)) return 'other';
    this.known.add(code);
    return code;
  }
}
