import type { NatsConnection } from '@nats-io/transport-node';
import type { ClassConstructor } from 'class-transformer';
import { LiveListing, readStep, ROOTS, subjects, UnreadableMessage, type FilesRequest } from '@buckets/contracts';
import { ask, Refused, Unanswered } from '@buckets/log';
import { Problem } from '@buckets/service';
import { Rejection } from '../problems/rejection.js';
import { notAssigned } from '../project-decisions/request-operation.js';
import type { ProjectRow } from '../tables/entities.js';

const TIMEOUT_MS = 5_000;

/** What the codes of a worker's refusals mean in HTTP; anything else is a conflict. */
const STATUS = new Map(
  Object.entries({
    'bad-path': 400,
    'bad-cursor': 400,
    'bad-range': 400,
    'bad-request': 400,
    'file-not-found': 404,
    'file-too-large': 413,
    'disk-full': 507,
    'storage-failed': 503,
    'too-busy': 503,
  }),
);

/** A project's files as they are on its host, one step at a time. */
export class HostFiles {
  constructor(private readonly nats: NatsConnection) {}

  /** Whether the host says that folders of the project are missing. False, too, where it says nothing. */
  async lacksRoots(project: ProjectRow): Promise<boolean> {
    try {
      const { entries } = await this.step(project, { do: 'list', path: '', limit: ROOTS.length }, LiveListing);
      return !ROOTS.every((root) => entries.some(({ name }) => name === root));
    } catch (error) {
      return error instanceof Rejection && error.code === 'project-folder-missing';
    }
  }

  /**
   * One step that brings something back: of this shape, whatever the host is.
   *
   * @throws {Problem} when the host does not answer, refuses, or answers what cannot be
   */
  async step<Result extends object>(
    project: ProjectRow,
    step: StepOf,
    shape: ClassConstructor<Result>,
  ): Promise<Result> {
    const answer = await this.do(project, step);
    try {
      return readStep(shape, answer, project.id);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      throw answersWhatCannotBe(project, error.reason);
    }
  }

  /**
   * @returns what the host has answered, unread
   * @throws {Problem} when the host does not answer, or refuses
   */
  async do(project: ProjectRow, step: StepOf): Promise<unknown> {
    const { host_id: hostId } = project;
    if (hostId === null) throw notAssigned();
    const request = { projectId: project.id, generation: project.generation, ...step };
    try {
      return await ask<unknown>(this.nats, subjects.request(hostId, 'files'), request, TIMEOUT_MS);
    } catch (error) {
      if (error instanceof Refused) {
        throw new Rejection(error.code, error.message, STATUS.get(error.code) ?? (error.refusal.retry ? 503 : 409));
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

/** Its operator has to look at it; nobody else can do anything. */
export function answersWhatCannotBe({ host_id }: ProjectRow, why: string): Problem {
  return new Problem({
    code: 'host-answers-wrongly',
    status: 502,
    detail: `The worker of host ${host_id} answers what cannot be: ${why}. Look at that host.`,
  });
}

/** One step, without what every step says. */
export type StepOf = DistributiveOmit<FilesRequest, 'projectId' | 'generation'>;
type DistributiveOmit<T, K extends keyof never> = T extends unknown ? Omit<T, K> : never;
