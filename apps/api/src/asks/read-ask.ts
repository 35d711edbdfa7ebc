import { readAsk as read, type AskName, type Asks } from '@buckets/contracts';
import { Rejection } from '../problems/rejection.js';

/** @throws {Rejection} `bad-ask` */
export function readAsk<N extends AskName>(name: N, body: unknown): Asks[N]['ask'] {
  const { data, fault } = read(name, body);
  if (fault !== undefined) throw new Rejection('bad-ask', `The ask is not understood: ${fault}.`, 400);
  return data;
}
