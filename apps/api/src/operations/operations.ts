import type { Response } from 'express';
import type { DataSource } from 'typeorm';
import type { AdmittedOperation } from '../access/admission.js';
import { holds, type Caller } from '../access/caller.js';
import { operationNotFound } from '../problems/not-there.js';
import type { ProjectKeys } from '../keys/project-keys.js';
import type { HostSigns } from '../hosts/host-signs.js';
import { OperationRow } from '../tables/entities.js';
import { operationView, type OperationView } from './operation-view.js';
import type { ProgressBoard } from './progress-board.js';

/** For those who cannot do anything about it. */
const SOMETHING_OF_ITS_HOST = 'Its host does not begin with anything at the moment. Whoever runs it sees why.';

/** Reads operations for people. */
export class Operations {
  constructor(
    private readonly data: DataSource,
    private readonly keys: ProjectKeys,
    private readonly board: ProgressBoard,
    private readonly signs: HostSigns,
  ) {}

  async row({ id }: AdmittedOperation): Promise<OperationRow> {
    const row = await this.data.getRepository(OperationRow).findOneBy({ id });
    if (row === null) throw operationNotFound(id);
    return row;
  }

  /** Those of the operations that have changed since the positions at which they are known. */
  async changedSince(known: ReadonlyMap<string, number>): Promise<OperationRow[]> {
    const rows = await this.data
      .getRepository(OperationRow)
      .createQueryBuilder('operation')
      .where('operation.id = ANY(:ids) AND operation.changed_position > :since', {
        ids: [...known.keys()],
        since: Math.min(...known.values()),
      })
      .getMany();
    return rows.filter(({ id, changed_position }) => changed_position > known.get(id)!);
  }

  /** @param caller to whom it is shown: what is wrong with a host only to those who may see hosts */
  async view(row: OperationRow, caller: Caller, whyQueued = this.whyQueued): Promise<OperationView> {
    const progress = row.state === 'running' ? await this.board.of(row.host_id, row.id) : undefined;
    const why = row.state === 'queued' ? await whyQueued(row.host_id) : undefined;
    const waitsFor = why === undefined || seesHosts(caller) ? why : SOMETHING_OF_ITS_HOST;
    return { ...(await operationView(row, this.keys, progress)), ...(waitsFor && { waitsFor }) };
  }

  /** Each host is asked about once, however much is queued for it. */
  async views(rows: readonly OperationRow[], caller: Caller): Promise<OperationView[]> {
    const asked = new Map<string, Promise<string | undefined>>();
    const whyQueued = (hostId: string): Promise<string | undefined> => {
      const why = asked.get(hostId) ?? this.whyQueued(hostId);
      asked.set(hostId, why);
      return why;
    };
    return Promise.all(rows.map((row) => this.view(row, caller, whyQueued)));
  }

  /** What is queued may as well wait for its turn. Hosts are no business of everybody who may see the operation. */
  private readonly whyQueued = async (hostId: string): Promise<string | undefined> => {
    const why = await this.signs.whyIdle(hostId);
    return why === null ? undefined : `Its host does nothing. ${why}`;
  };

  /** The body and headers of a 202. */
  async accepted(operation: AdmittedOperation, response: Response): Promise<OperationView> {
    response.location(`/v1/operations/${operation.id}`);
    return operationView(await this.row(operation), this.keys);
  }
}

function seesHosts(caller: Caller): boolean {
  return caller.reach === 'fleet' && holds(caller, 'hosts:read');
}
