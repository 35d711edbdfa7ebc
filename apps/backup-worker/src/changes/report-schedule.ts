/** When what is known of a project is reported that is no news: pure. Moments are milliseconds of a clock that nobody sets. */
export class ReportSchedule {
  #reportedAt: number;
  #owed = true;

  constructor(now: number) {
    this.#reportedAt = now;
  }

  /** There is something to tell, which can wait. */
  owe(): void {
    this.#owed = true;
  }

  reported(now: number): void {
    this.#reportedAt = now;
    this.#owed = false;
  }

  isDue(now: number, everyMs: number): boolean {
    return this.#owed && now - this.#reportedAt >= everyMs;
  }
}
