import { describe, expect, it } from '@jest/globals';
import { serverSentEvents, type ServerSentEvent } from './server-sent-events.js';

describe('server-sent events', () => {
  const read = async (...chunks: Uint8Array[]) => {
    const stream = (async function* () {
      yield* chunks;
    })();
    const events: ServerSentEvent[] = [];
    for await (const event of serverSentEvents(stream)) events.push(event);
    return events;
  };

  it('are told with their names, wherever the stream was cut', async () => {
    const bytes = Buffer.from('id: 7\nevent: state\ndata: {"a":"ü"}\n\n: still here\n\nevent: progress\ndata: {}\n\n');
    const expected = [
      { event: 'state', data: '{"a":"ü"}' },
      { event: 'progress', data: '{}' },
    ];
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(await read(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(expected);
    }
  });

  it('that were cut off are not told', async () => {
    expect(await read(Buffer.from('event: state\ndata: {"a":1}'))).toEqual([]);
  });
});
