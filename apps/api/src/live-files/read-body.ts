import type { Request } from 'express';
import { Problem } from '@buckets/service';

/** The routes that read the bytes of their bodies themselves, by {@link readBody}. */
export function isRaw({ method, path }: Pick<Request, 'method' | 'path'>): boolean {
  return method === 'PUT' && /^\/v1\/projects\/[^/]+\/files\/?$/i.test(path);
}

/**
 * The bytes of a request's body.
 *
 * @throws {Problem} `body-too-large` as soon as there are more than `maxBytes`
 * @throws {Error} when somebody has read it already: it is not taken for an empty one
 */
export async function readBody(request: Request, maxBytes: number): Promise<Buffer> {
  if (request.readableDidRead) throw new Error('The body of this request was read before.');
  const tooLarge = () =>
    new Problem({ code: 'body-too-large', status: 413, detail: `The body may have ${maxBytes} bytes at most.` });
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    throw new Problem({ code: 'request-aborted', status: 400, detail: 'The body ended too early.', cause: error });
  }
  return Buffer.concat(chunks);
}
