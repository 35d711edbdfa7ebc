import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem, problemDetails } from './problem.js';

const BY_CODE: Record<string, Problem> = {
  HPE_HEADER_OVERFLOW: new Problem({
    code: 'headers-too-large',
    status: 431,
    detail: 'The address and the headers of the request have more than 16 KiB. Send less there.',
  }),
  ERR_HTTP_REQUEST_TIMEOUT: new Problem({
    code: 'request-timeout',
    status: 408,
    detail: 'The request did not come within its time. Send it again.',
  }),
};
const NO_HTTP = new Problem({ code: 'bad-request', status: 400, detail: 'What was sent is no request of HTTP/1.1.' });

/** Answers what is no whole request, and reaches no route, with a problem as any other. */
export function answerClientErrors(server: Server): void {
  const answering = new WeakMap<Socket, ServerResponse>();
  server.on('request', ({ socket }, response) => void answering.set(socket, response));
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket;
    const before = answering.get(socket);
    // Into an answer that is on its way nothing may be written.
    if (!socket.writable || error.code === 'ECONNRESET' || (before?.headersSent && !before.writableFinished)) {
      socket.destroy();
      return;
    }
    const problem = BY_CODE[error.code ?? ''] ?? NO_HTTP;
    const body = JSON.stringify(problemDetails(problem));
    const headers = [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      'Content-Type: application/problem+json',
      'Cache-Control: no-store',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
  });
}
