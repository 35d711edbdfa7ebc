import type { Journal, LogMessage, Positions } from '@buckets/log';
import type { DataSource } from 'typeorm';
import { JournalRow } from '../tables/entities.js';

const PAGE = 500;
const RUNS = 10;

/** The journal that the projector keeps beside the tables. */
export class PostgresJournal implements Journal {
  constructor(private readonly data: DataSource) {}

  async *read({ from, to }: Positions): AsyncGenerator<LogMessage[]> {
    for (let next = from; next <= to;) {
      const rows = await this.data
        .getRepository(JournalRow)
        .createQueryBuilder('journal')
        .where('journal.position BETWEEN :next AND :to', { next, to })
        .orderBy('journal.position')
        .limit(PAGE)
        .getMany();
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map(({ stored_at: storedAt, ...row }) => ({ ...row, storedAt }));
      next = last.position + 1;
    }
  }

  async missing({ from, to }: Positions): Promise<Positions[]> {
    const runs = await this.data.query<{ from: string; to: string }[]>(
      `SELECT before + 1 AS "from", position - 1 AS "to"
       FROM (SELECT position, lag(position, 1, $1::bigint - 1) OVER (ORDER BY position) AS before
             FROM (SELECT position FROM ${this.table} WHERE position BETWEEN $1 AND $2
                   UNION ALL SELECT $2::bigint + 1) kept) pairs
       WHERE position > before + 1 ORDER BY position LIMIT ${RUNS}`,
      [from, to],
    );
    return runs.map((run) => ({ from: Number(run.from), to: Number(run.to) }));
  }

  private get table(): string {
    return this.data.getMetadata(JournalRow).tablePath;
  }
}
