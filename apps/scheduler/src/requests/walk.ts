/** Part of what is walked through, in the order of ids. */
export interface Page {
  after: string;
  limit: number;
}

/** Walks through what is read page by page. What is left before its end goes on there the next time: nobody is starved. */
export class Walk<Item extends { id: string }> {
  private after = '';

  constructor(private readonly pageSize: number) {}

  /** From where the last walk was left, to the end. */
  async *on(read: (page: Page) => Promise<readonly Item[]>): AsyncGenerator<Item> {
    for (;;) {
      const page = await read({ after: this.after, limit: this.pageSize });
      for (const item of page) {
        this.after = item.id;
        yield item;
      }
      if (page.length < this.pageSize) break;
    }
    this.after = '';
  }
}
