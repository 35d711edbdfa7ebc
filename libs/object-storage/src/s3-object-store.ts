import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput, ListObjectsV2CommandOutput, PutObjectCommandInput } from '@aws-sdk/client-s3';
import { Readable, addAbortSignal } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

import {
  ObjectNotFound,
  ObjectRangeInvalid,
  ObjectStorageFailed,
  ObjectStorageUnreachable,
  ObjectTooLarge,
  PreconditionFailed,
} from './object-storage-error.js';
import type {
  CallOptions,
  DeletePrefixOptions,
  DeletePrefixOutcome,
  FoldersOptions,
  GetOptions,
  GetStreamOptions,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  ObjectStream,
  PutOptions,
  PutOutcome,
} from './object-store.js';
import { attemptsOf, isWriteConflict, s3Failure } from './s3-failure.js';

export interface S3Access {
  /** `http(s)://host:port`, without the bucket: requests are path style. */
  endpoint: string;
  region: string;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Present with temporary credentials. */
  sessionToken?: string;
}

export interface S3Limits {
  /** Milliseconds to get a connection. Default 2,000. */
  connectMs?: number;
  /** Milliseconds until an answer begins, and of silence within one. Default 20,000. */
  answerMs?: number;
  /** Attempts of one request, the first included. Default 3. */
  attempts?: number;
  /** Open connections. Default 32. */
  connections?: number;
}

const DEFAULT_MAX_BYTES = 128 * 1024 * 1024;
const DEFAULT_DELETE_LIMIT = 100_000;
const PAGE = 1000;
const CHECK_MS = 3000;

/** The one place that signs S3 requests: an `ObjectStore` on one bucket of any S3 server. Call `destroy` at the end. */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #attempts: number;

  constructor(access: S3Access, limits: S3Limits = {}) {
    const { connectMs = 2000, answerMs = 20_000, attempts = 3, connections = 32 } = limits;
    const agent = { keepAlive: true, maxSockets: connections };
    this.#bucket = access.bucket;
    this.#attempts = attempts;
    this.#client = new S3Client({
      endpoint: access.endpoint,
      region: access.region,
      forcePathStyle: true,
      credentials: {
        accessKeyId: access.accessKeyId,
        secretAccessKey: access.secretAccessKey,
        sessionToken: access.sessionToken,
      },
      maxAttempts: attempts,
      retryMode: 'standard',
      // Servers other than AWS often lack the newer checksum headers; the signature covers each body anyway.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: connectMs,
        requestTimeout: answerMs,
        throwOnRequestTimeout: true,
        socketTimeout: answerMs,
        httpAgent: agent,
        httpsAgent: agent,
      },
    });
  }

  async get(key: string, options: GetOptions = {}): Promise<Buffer> {
    const { maxBytes = DEFAULT_MAX_BYTES, ...request } = options;
    // The client retries until an answer begins; an answer that breaks off in its body is retried here.
    for (let attempt = 1; ; attempt++) {
      const { body, size } = await this.getStream(key, request);
      try {
        return await readAll(body, size, maxBytes, this.#name(key));
      } catch (error) {
        if (!(error instanceof ObjectStorageUnreachable) || attempt >= this.#attempts) throw error;
        await backOff(attempt, request.signal);
      } finally {
        body.destroy();
      }
    }
  }

  async getStream(key: string, options: GetStreamOptions = {}): Promise<ObjectStream> {
    const { range, signal } = options;
    const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
    const answer = await this.#call(key, signal, (abortSignal) =>
      this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key, Range }), { abortSignal }),
    );
    const body = answer.Body as Readable;
    if (range && !answersRange(answer, range.offset)) {
      body.destroy();
      throw new ObjectRangeInvalid(this.#name(key), 'it answered with other bytes than asked for');
    }
    return { body: withStorageErrors(body, this.#name(key), signal), size: answer.ContentLength };
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<PutOutcome> {
    const { ifNoneMatch = false, signal } = options;
    const input: PutObjectCommandInput = { Bucket: this.#bucket, Key: key, Body: bytes };
    if (ifNoneMatch) input.IfNoneMatch = '*';
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      try {
        await this.#client.send(new PutObjectCommand(input), { abortSignal: signal });
        return 'stored';
      } catch (thrown) {
        if (signal?.aborted) throw signal.reason;
        const failure = s3Failure(thrown, this.#name(key));
        if (ifNoneMatch && failure instanceof PreconditionFailed) {
          // A first attempt whose answer got lost may itself have stored the object.
          const mayBeOurs = attempt > 1 || attemptsOf(thrown) > 1;
          return mayBeOurs && (await this.#holds(key, bytes, signal)) ? 'stored' : 'exists';
        }
        if (!isWriteConflict(thrown) || attempt >= this.#attempts) throw failure;
        await backOff(attempt, signal);
      }
    }
  }

  async head(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo | undefined> {
    try {
      const answer = await this.#call(key, signal, (abortSignal) =>
        this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key }), { abortSignal }),
      );
      return { key, size: answer.ContentLength ?? 0, lastModified: answer.LastModified };
    } catch (error) {
      if (error instanceof ObjectNotFound) return undefined;
      throw error;
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    let token: string | undefined;
    do {
      if (left <= 0) return;
      const page = await this.#page(prefix, { after: options.after, token, size: left, signal: options.signal });
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (Key === undefined || Key.endsWith('/')) continue;
        yield { key: Key, size: Size ?? 0, lastModified: LastModified };
        if (--left <= 0) return;
      }
      token = nextToken(page, token, this.#name(prefix));
    } while (token !== undefined);
  }

  async *folders(prefix: string, options: FoldersOptions = {}): AsyncGenerator<string, void, undefined> {
    if (!prefix.endsWith('/')) throw new ObjectStorageFailed(this.#name(prefix), 'a folder must end in "/"');
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    let token: string | undefined;
    do {
      if (left <= 0) return;
      const page = await this.#page(prefix, { token, size: left, delimiter: '/', signal: options.signal });
      for (const { Prefix } of page.CommonPrefixes ?? []) {
        if (Prefix === undefined) continue;
        yield Prefix.slice(prefix.length, -1);
        if (--left <= 0) return;
      }
      token = nextToken(page, token, this.#name(prefix));
    } while (token !== undefined);
  }

  async delete(key: string, { signal }: CallOptions = {}): Promise<void> {
    try {
      await this.#call(key, signal, (abortSignal) =>
        this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }), { abortSignal }),
      );
    } catch (error) {
      if (!(error instanceof ObjectNotFound)) throw error;
    }
  }

  async deletePrefix(prefix: string, options: DeletePrefixOptions = {}): Promise<DeletePrefixOutcome> {
    const { limit = DEFAULT_DELETE_LIMIT, signal } = options;
    if (!/[^/]\/$/.test(prefix))
      throw new ObjectStorageFailed(this.#name(prefix), 'a prefix to delete must end in "/"');
    let deleted = 0;
    let previous: string | undefined;
    // Always the first page again, so that what is written meanwhile is found too.
    while (deleted < limit) {
      const page = await this.#page(prefix, { size: limit - deleted, signal });
      const keys = (page.Contents ?? []).flatMap(({ Key }) => Key ?? []);
      const [first] = keys;
      if (first === undefined) return { deleted, complete: true };
      if (first === previous) throw new ObjectStorageFailed(this.#name(first), 'it is listed again after its deletion');
      previous = first;
      await this.#deleteBatch(keys, signal);
      deleted += keys.length;
    }
    return { deleted, complete: false };
  }

  async check({ signal }: CallOptions = {}): Promise<void> {
    const deadline = AbortSignal.timeout(CHECK_MS);
    const either = signal ? AbortSignal.any([signal, deadline]) : deadline;
    try {
      await this.#call('', either, (abortSignal) =>
        this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }), { abortSignal }).catch(asMissingBucket),
      );
    } catch (error) {
      if (!deadline.aborted || signal?.aborted) throw error;
      throw new ObjectStorageUnreachable(this.#bucket, `no answer within ${CHECK_MS} ms`);
    }
  }

  /** The keys of uploads in parts that were begun and not ended, the first thousand: they cost, and no list shows them. */
  async unfinishedUploads({ signal }: CallOptions = {}): Promise<string[]> {
    const { Uploads = [] } = await this.#call('', signal, (abortSignal) =>
      this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.#bucket }), { abortSignal }),
    );
    return Uploads.map(({ Key = '' }) => Key);
  }

  /** Creates the bucket; for set-up and local stacks. */
  async createBucket({ signal }: CallOptions = {}): Promise<'created' | 'exists'> {
    return this.#call('', signal, (abortSignal) =>
      this.#client.send(new CreateBucketCommand({ Bucket: this.#bucket }), { abortSignal }).then(
        () => 'created' as const,
        (error: unknown) => {
          if ((error as Error).name === 'BucketAlreadyOwnedByYou') return 'exists' as const;
          throw error;
        },
      ),
    );
  }

  /** Closes the connections. */
  destroy(): void {
    this.#client.destroy();
  }

  /** Sends one request and speaks of failures in the product's terms; a caller's own abort keeps its reason. */
  async #call<T>(key: string, signal: AbortSignal | undefined, send: (signal?: AbortSignal) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await send(signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw s3Failure(error, this.#name(key));
    }
  }

  async #page(
    prefix: string,
    {
      after,
      token,
      size,
      delimiter,
      signal,
    }: { after?: string; token?: string; size: number; delimiter?: string; signal?: AbortSignal },
  ): Promise<ListObjectsV2CommandOutput> {
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: prefix,
      StartAfter: after,
      Delimiter: delimiter,
      ContinuationToken: token,
      MaxKeys: Math.min(PAGE, size),
    });
    return this.#call(prefix, signal, (abortSignal) => this.#client.send(command, { abortSignal }));
  }

  async #deleteBatch(keys: string[], signal: AbortSignal | undefined): Promise<void> {
    const command = new DeleteObjectsCommand({
      Bucket: this.#bucket,
      Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true },
    });
    const answer = await this.#call(keys[0] ?? '', signal, (abortSignal) =>
      this.#client.send(command, { abortSignal }),
    );
    const failed = answer.Errors?.find(({ Code }) => Code !== 'NoSuchKey');
    if (failed) throw new ObjectStorageFailed(this.#name(failed.Key ?? ''), `it was not deleted: ${failed.Code}`);
  }

  async #holds(key: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
    const info = await this.head(key, { signal });
    if (info?.size !== bytes.length) return false;
    return (await this.get(key, { signal, maxBytes: bytes.length })).equals(bytes);
  }

  #name(key: string): string {
    return key === '' ? this.#bucket : `${this.#bucket}/${key}`;
  }
}

async function readAll(body: Readable, size: number | undefined, maxBytes: number, object: string): Promise<Buffer> {
  if (size !== undefined && size > maxBytes) throw new ObjectTooLarge(object, maxBytes);
  const chunks: Buffer[] = [];
  let read = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    read += chunk.length;
    if (read > maxBytes) throw new ObjectTooLarge(object, maxBytes);
    chunks.push(chunk);
  }
  if (size !== undefined && read !== size) {
    throw new ObjectStorageUnreachable(object, `the answer ended after ${read} of ${size} bytes`);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, read);
}

function withStorageErrors(source: Readable, object: string, signal: AbortSignal | undefined): Readable {
  if (signal) addAbortSignal(signal, source);
  // A failure before the first read waits for the reader, instead of ending the process as an unhandled event.
  source.on('error', () => undefined);
  const chunks = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* source as AsyncIterable<Buffer>;
    } catch (error) {
      throw signal?.aborted ? signal.reason : s3Failure(error, object);
    }
  };
  const body = Readable.from(chunks(), { objectMode: false });
  body.once('close', () => source.destroy());
  return body;
}

function answersRange(answer: GetObjectCommandOutput, offset: number): boolean {
  return answer.ContentRange?.startsWith(`bytes ${offset}-`) ?? false;
}

function nextToken(page: ListObjectsV2CommandOutput, current: string | undefined, object: string): string | undefined {
  if (!page.IsTruncated) return undefined;
  const next = page.NextContinuationToken;
  if (!next || next === current) throw new ObjectStorageFailed(object, 'its listing does not advance');
  return next;
}

/** A HEAD has no body that could tell a missing bucket from a missing object. */
function asMissingBucket(error: unknown): never {
  if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 404) {
    (error as Error).name = 'NoSuchBucket';
  }
  throw error;
}

async function backOff(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(100 * 2 ** attempt * (0.5 + Math.random() / 2), undefined, { signal });
}
