/** What is tried again in vain says why once, and again when the reason is another one. */
export class News {
  private told: string | undefined;

  /** Whether this reason is another one than the one before. */
  is(error: unknown): boolean {
    const reason = String(error);
    const isNews = this.told !== reason;
    this.told = reason;
    return isNews;
  }

  /** It has worked. */
  over(): void {
    this.told = undefined;
  }
}
