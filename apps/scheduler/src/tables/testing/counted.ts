import type { DataSource } from 'typeorm';

interface Blocks {
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
}

interface Plan {
  'Node Type': string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Plan[];
}

/** What statements read: rows, blocks, and the kinds of scans. */
export class Counted {
  rows = 0;
  blocks = 0;
  readonly scans = new Set<string>();

  add(plan: Plan): void {
    const type = plan['Node Type'];
    if (/^(Seq|Index|Index Only|Bitmap Heap) Scan$/.test(type)) {
      this.scans.add(type);
      const each =
        plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0) + (plan['Rows Removed by Index Recheck'] ?? 0);
      this.rows += each * plan['Actual Loops'];
    }
    for (const part of plan.Plans ?? []) this.add(part);
  }
}

/** What each statement reads is asked for before it runs. */
export function counting(data: DataSource, counted: Counted): DataSource {
  const query = async (sql: string, parameters: unknown[]): Promise<unknown> => {
    const session = data.createQueryRunner();
    await session.startTransaction();
    try {
      const explain = `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`;
      const [row] = (await session.query(explain, parameters)) as { 'QUERY PLAN': { Plan: Plan & Blocks }[] }[];
      const { Plan: plan } = row!['QUERY PLAN'][0]!;
      counted.add(plan);
      counted.blocks += plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    } finally {
      await session.rollbackTransaction();
      await session.release();
    }
    return data.query(sql, parameters);
  };
  return { query } as unknown as DataSource;
}
