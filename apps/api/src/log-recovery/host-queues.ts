import type { JetStreamManager } from '@nats-io/jetstream';
import { hostsToProvision, PositionRow, provisionHostConsumers } from '@buckets/log';
import { IsNull, MoreThan, type DataSource } from 'typeorm';
import { HostRow, OperationRow } from '../tables/entities.js';
import { TablesProjection } from '../tables/tables-projection.js';

const PAGE = 500;
const AT_ONCE = 8;

/**
 * Makes the queues of all hosts in the tables where they are missing, as NATS may have lost them. They begin where the
 * host's first operation does that has not ended: what came before is done with, and need not be handed out again.
 *
 * @param anew makes those again too that exist, so that open operations are handed out once more
 * @returns the hosts for which something was done
 */
export async function provisionHostQueues(
  jsm: JetStreamManager,
  data: DataSource,
  { anew = false }: { anew?: boolean } = {},
): Promise<string[]> {
  const ids = await hostIds(data);
  const todo = anew ? ids : await hostsToProvision(jsm, ids);
  const waiting = todo.values();
  const work = async (): Promise<void> => {
    for (const id of waiting) await provisionHostConsumers(jsm, id, { from: () => firstOpen(data, id), anew });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return todo;
}

async function hostIds(data: DataSource): Promise<string[]> {
  const ids: string[] = [];
  for (let after = ''; ;) {
    const page = await data
      .getRepository(HostRow)
      .find({ select: { id: true }, where: { id: MoreThan(after) }, order: { id: 'ASC' }, take: PAGE });
    ids.push(...page.map(({ id }) => id));
    if (page.length < PAGE) return ids;
    after = ids.at(-1)!;
  }
}

/** What the tables have not read yet may be open as well. */
async function firstOpen(data: DataSource, hostId: string): Promise<number> {
  const known = await new PositionRow(new TablesProjection()).readIfThere(data);
  const first = await data.getRepository(OperationRow).minimum('position', { host_id: hostId, ended_at: IsNull() });
  return first === null ? (known?.position ?? 0) + 1 : Number(first);
}
