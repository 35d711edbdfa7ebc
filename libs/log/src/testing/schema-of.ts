import type { DataSource } from 'typeorm';

/** The columns and indexes of all tables of a schema but those of the projector, whatever order they were made in. */
export async function schemaOf(data: DataSource, schema: string): Promise<{ columns: object[]; indexes: object[] }> {
  const [columns, indexes] = await Promise.all([
    data.query<object[]>(
      `SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name, generation_expression
         FROM information_schema.columns WHERE table_schema = $1 AND table_name <> 'projection_position' ORDER BY 1, 2`,
      [schema],
    ),
    data.query<object[]>(
      `SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = $1 AND tablename <> 'projection_position' ORDER BY 1, 2`,
      [schema],
    ),
  ]);
  return { columns, indexes };
}
