export interface ServerSentEvent {
  event: string;
  data: string;
}

/** Reads a stream of server-sent events (HTML Standard, 9.2) as the API writes them; comments are left out. */
export async function* serverSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const event = eventOf(block);
      if (event.data !== '') yield event;
    }
  }
}

function eventOf(block: string): ServerSentEvent {
  const fields: Record<string, string[]> = {};
  for (const line of block.split('\n')) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined) (fields[name] ??= []).push(value!);
  }
  return { event: fields['event']?.at(-1) ?? 'message', data: (fields['data'] ?? []).join('\n') };
}
