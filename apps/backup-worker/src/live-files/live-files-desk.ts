import type { NatsConnection } from '@nats-io/transport-node';
import {
  readFilesRequest,
  subjects,
  type FilesRequest,
  type LiveChunk,
  type LiveEntry as EntryMessage,
  type LiveListing,
  type Refusal,
} from '@buckets/contracts';
import { answer, type Answering } from '@buckets/log';
import type { Logger } from '@buckets/service';
import { DataRootMissingError } from '../host-data/errors.js';
import type { LiveEntry } from './folder-page.js';
import type { LiveFiles } from './live-files.js';
import { LiveFilesError } from './live-files-error.js';

const AT_ONCE = 32;

/** Says nothing of the host's own paths: whoever reads a project's files need not be its operator. */
const WITHOUT_DATA_ROOT =
  'The folder that holds the projects of this host is not there, or not marked as its own: nothing can be said of their ' +
  'files until an operator has seen to it.';

class RequestRefused extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Whether it may pass by itself. */
    readonly retry = false,
  ) {
    super(message);
  }
}

/** Answers the API's steps on the live files of this host's projects. */
export class LiveFilesDesk {
  private answering: Answering | undefined;

  constructor(
    private readonly nats: NatsConnection,
    private readonly hostId: string,
    private readonly files: LiveFiles,
    private readonly mayTouch: (projectId: string, generation: number) => Promise<boolean>,
    private readonly log: Logger,
  ) {}

  open(): void {
    const options = { atOnce: AT_ONCE, refuse: (error: unknown) => this.refusal(error) };
    this.answering = answer(this.nats, subjects.request(this.hostId, 'files'), options, ({ body }) => this.step(body));
  }

  async close(): Promise<void> {
    await this.answering?.drain();
  }

  /** @throws {NoHeadway} */
  check(): void {
    this.answering?.check();
  }

  private async step(
    body: unknown,
  ): Promise<LiveListing | LiveChunk | EntryMessage | { uploadId: string } | undefined> {
    const request = read(body);
    const { projectId, generation } = request;
    // What cannot be looked at cannot be touched either; the worker's log says why.
    const mayTouch = await this.mayTouch(projectId, generation).catch((error: unknown) => {
      if (error instanceof DataRootMissingError) throw new RequestRefused(error.code, WITHOUT_DATA_ROOT, true);
      return false;
    });
    if (!mayTouch) {
      throw new RequestRefused(
        'project-not-here',
        'The files of the project cannot be used on this host now: it is elsewhere, its data are being replaced, or what stands ' +
          'in its place is not its data.',
      );
    }
    switch (request.do) {
      case 'list': {
        const { limit, cursor } = request;
        const page = await this.files.list(projectId, request.path, {
          limit,
          ...(cursor === undefined ? {} : { cursor }),
        });
        return { ...page, entries: page.entries.map(entryMessage) };
      }
      case 'stat':
        return entryMessage(await this.files.stat(projectId, request.path));
      case 'read': {
        const part = await this.files.read(projectId, request.path, request);
        return { ...part, bytes: part.bytes.toString('base64') };
      }
      case 'begin-write': {
        const options = { size: request.size, createFolders: true };
        return { uploadId: await this.files.beginWrite(projectId, request.path, options) };
      }
      case 'write-chunk':
        return void (await this.files.writeChunk(
          request.uploadId,
          request.offset,
          Buffer.from(request.bytes, 'base64'),
        ));
      case 'commit-write':
        return entryMessage(await this.files.commitWrite(request.uploadId, request));
      case 'abort-write':
        return void (await this.files.abortWrite(request.uploadId));
      case 'remove':
        return void (await this.files.remove(projectId, request.path, { recursive: request.recursive }));
    }
  }

  private refusal(error: unknown): Refusal {
    if (error instanceof RequestRefused) return { code: error.code, detail: error.message, retry: error.retry };
    if (error instanceof LiveFilesError) return { code: error.code, detail: error.message, retry: false };
    this.log.error({ error }, 'A step on live files has failed');
    return { code: 'storage-failed', detail: "The host could not do it. Look at the worker's log.", retry: true };
  }
}

function read(body: unknown): FilesRequest {
  const { data, fault } = readFilesRequest(body);
  if (fault !== undefined) throw new RequestRefused('bad-request', `The request is not understood: ${fault}.`);
  return data;
}

function entryMessage({ name, type, size, mtime, mode }: LiveEntry): EntryMessage {
  return { name, type, size, mtime, mode: `0${(mode & 0o7777).toString(8).padStart(3, '0')}` };
}
