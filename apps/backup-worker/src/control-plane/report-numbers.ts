/**
 * Numbers what this process reports of the host's projects. Each sign of life tells the sum of the latest numbers: who lacks
 * a report, or has an earlier one, comes to a smaller sum.
 */
export class ReportNumbers {
  private readonly latest = new Map<string, number>();
  private last = 0;
  private first = 1;
  private total = 0;

  /** Of the latest report on each project. */
  get sum(): number {
    return this.total;
  }

  /** The first number that counts. */
  get from(): number {
    return this.first;
  }

  /** For a report that goes out now. */
  next(projectId: string): number {
    this.last += 1;
    this.total += this.last - (this.latest.get(projectId) ?? 0);
    this.latest.set(projectId, this.last);
    return this.last;
  }

  /** All is reported anew: what is not, is of projects that are no longer here. */
  beginAnew(): void {
    this.latest.clear();
    this.total = 0;
    this.first = this.last + 1;
  }
}
