/**
 * Numbers what this process reports of the host's projects. Each sign of life tells the sum of the latest numbers: who lacks
 * a report, or has an earlier one, comes to a smaller sum.
 */
export class ReportNumbers {
  private readonly latest = new Map<string, number>();
  private last = 0;
  private total = 0;

  /** Of the latest report on each project. */
  get sum(): number {
    return this.total;
  }

  /** For a report that goes out now. */
  next(projectId: string): number {
    this.last += 1;
    this.total += this.last - (this.latest.get(projectId) ?? 0);
    this.latest.set(projectId, this.last);
    return this.last;
  }
}
