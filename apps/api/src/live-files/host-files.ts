import type { NatsConnection } from '@nats-io/transport-node';
import { ROOTS, subjects, type FilesRequest, type LiveListing } from '@buckets/contracts';
import { ask, Refused, Unanswered } from '@buckets/log';
import { Problem } from '@buckets/service';
import { Rejection } from '../problems/rejection.js';
import { notAssigned } from '../project-decisions/request-operation.js';
import type { ProjectRow } from '../tables/entities.js';

const TIMEOUT_MS = 5_000;

/** What the codes of a worker's refusals mean in HTTP; anything else is a conflict. */
const STATUS: Record<string, number> = {
  'bad-path': 400,
  'bad-cursor': 400,
  'bad-range': 400,
  'bad-request': 400,
  'file-not-found': 404,
  'file-too-large': 413,
  'disk-full': 507,
  'storage-failed': 503,
  'too-busy': 503,
};

/** A project's files as they are on its host, one step at a time. */
export class HostFiles {
  constructor(private readonly nats: NatsConnection) {}

  /** Whether the host says that folders of the project are missing. False, too, where it says nothing. */
  async lacksRoots(project: ProjectRow): Promise<boolean> {
    try {
      const { entries } = await this.step<LiveListing>(project, { do: 'list', path: '', limit: ROOTS.length });
      return !ROOTS.every((root) => entries.some(({ name }) => name === root));
    } catch (error) {
      return error instanceof Rejection && error.code === 'project-folder-missing';
    }
  }

  /** @throws {Problem} when the host does not answer, or refuses */
  async step<Result>(project: ProjectRow, step: StepOf): Promise<Result> {
    const { host_id: hostId } = project;
    if (hostId === null) throw notAssigned();
    const request = { projectId: project.id, generation: project.generation, ...step };
    try {
      return await ask<Result>(this.nats, subjects.request(hostId, 'files'), request, TIMEOUT_MS);
    } catch (error) {
      if (error instanceof Refused) {
        throw new Rejection(error.code, error.message, STATUS[error.code] ?? (error.refusal.retry ? 503 : 409));
      }
      if (!(error instanceof Unanswered)) throw error;
      throw new Problem({
        code: 'host-unreachable',
        status: 503,
        detail: `The worker of host ${hostId} does not answer. Try again when the host is back.`,
        retryAfterSeconds: 10,
        cause: error,
      });
    }
  }
}

/** One step, without what every step says. */
export type StepOf = DistributiveOmit<FilesRequest, 'projectId' | 'generation'>;
type DistributiveOmit<T, K extends keyof never> = T extends unknown ? Omit<T, K> : never;
