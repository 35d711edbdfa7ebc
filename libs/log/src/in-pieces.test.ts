import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { EntitySchema, type DataSource } from 'typeorm';
import { changeInPieces, upsertInPieces } from './in-pieces.js';
import { RealParts } from './testing/real-parts.js';

jest.setTimeout(60_000);

const MANY = 8_000;
const COLUMNS = 9;

type Row = Record<string, number>;
const names = Array.from({ length: COLUMNS }, (_, n) => `n${n}`);
const Thing = new EntitySchema<Row>({
  name: 'thing',
  columns: {
    id: { type: 'int', primary: true },
    ...Object.fromEntries(names.map((name) => [name, { type: 'int' as const }])),
  },
});

let parts: RealParts;
let data: DataSource;
beforeAll(async () => {
  parts = await RealParts.start(['postgres']);
  data = await parts.database('pieces', { entities: [Thing] });
  await data.query(`CREATE TABLE thing (id int PRIMARY KEY, ${names.map((name) => `${name} int`).join(', ')})`);
});
afterAll(async () => {
  await parts.stop();
});

it('rows are written whose values are more than one statement takes', async () => {
  const rows = (value: number) =>
    Array.from({ length: MANY }, (_, id) => ({ id, ...Object.fromEntries(names.map((name) => [name, value])) }));
  await expect(data.manager.upsert(Thing, rows(1), ['id'])).rejects.toThrow();
  for (const value of [1, 2]) await upsertInPieces(data.manager, Thing, rows(value), ['id']);
  const [sums] = await data.query<object[]>('SELECT count(*)::int AS count, sum(n0 + n8)::int AS sum FROM thing');
  expect(sums).toEqual({ count: MANY, sum: MANY * 4 });
});

it('all rows are changed, each once, however many a statement changes', async () => {
  await data.query('UPDATE thing SET n1 = 0');
  await changeInPieces(
    data.manager,
    `WITH piece AS (SELECT id FROM thing WHERE n1 < $1 LIMIT $2),
     changed AS (UPDATE thing SET n1 = n1 + $1 FROM piece WHERE thing.id = piece.id RETURNING 1)
     SELECT count(*)::int AS changed FROM changed`,
    [5],
  );
  expect(await data.query('SELECT DISTINCT n1 FROM thing')).toEqual([{ n1: 5 }]);
});
