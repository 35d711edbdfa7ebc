import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decode, encode, envelope, MessageTooLarge, UnreadableMessage, UnstorableText } from './envelope.js';
import { MAX_MESSAGE_BYTES } from './bounded-json.js';

const fields = { source: 'buckets/api', type: 'buckets.region.created.v1', subject: 'region/zrh' };
const subject = 'buckets.event.region.zrh.created';
const bytesOf = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

describe('an envelope', () => {
  it('is a CloudEvent 1.0 in structured JSON', () => {
    const message = envelope({ ...fields, operationId: 'op-1', causationId: 'cause' }, { name: 'Zürich' });
    expect(message).toEqual({
      specversion: '1.0',
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      ...fields,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      datacontenttype: 'application/json',
      operationid: 'op-1',
      causationid: 'cause',
      data: { name: 'Zürich' },
    });
    // CloudEvents allows no other characters in the names of attributes.
    for (const name of Object.keys(message)) expect(name).toMatch(/^[a-z0-9]+$/);
    expect(decode(subject, encode(message))).toEqual(message);
  });

  it('is read as it was written, whatever it holds', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        const message = JSON.parse(JSON.stringify(envelope(fields, data))) as ReturnType<typeof envelope>;
        fc.pre(!JSON.stringify(data).includes('\\u0000'));
        expect(decode(subject, encode(message))).toEqual(message);
      }),
    );
  });

  it('has 256 KiB at most, all in', () => {
    const room = MAX_MESSAGE_BYTES - encode(envelope(fields, '')).length;
    const full = encode(envelope(fields, 'x'.repeat(room)));
    expect(full).toHaveLength(MAX_MESSAGE_BYTES);
    expect(decode(subject, full).data).toHaveLength(room);
    expect(() => encode(envelope(fields, 'x'.repeat(room + 1)))).toThrow(MessageTooLarge);
    expect(() => encode(envelope(fields, 'ü'.repeat(room / 2 + 1)))).toThrow(MessageTooLarge);
    expect(() => decode(subject, Buffer.concat([full, Buffer.from(' ')]))).toThrow('too large');
  });

  it.each(['a\0b', '\ud800', 'x\udfff'])('takes no text that a database cannot keep: %j', (text) => {
    const message = envelope(fields, { deep: [{ text }] });
    expect(() => encode(message)).toThrow(UnstorableText);
    expect(() => encode(envelope(fields, { [text]: 1 }))).toThrow(UnstorableText);
    expect(() => decode(subject, bytesOf(message))).toThrow(UnreadableMessage);
  });

  it.each(['\\u0000', '\\\\ud800', '😀', '\u0001'])('takes the text %j, which only looks like it', (text) => {
    expect(decode(subject, encode(envelope(fields, { text }))).data).toEqual({ text });
  });

  const good = envelope(fields, {});
  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"hello"'],
    ['another version', { ...good, specversion: '0.3' }],
    ['no data', { ...good, data: undefined }],
    ['a time that is none', { ...good, time: 'yesterday' }],
    ['a time of no day', { ...good, time: '2031-02-45T00:00:00Z' }],
    ['an endless source', { ...good, source: 'x'.repeat(501) }],
    ['an operation that is no text', { ...good, operationid: 7 }],
    ...['id', 'source', 'type', 'subject', 'time'].flatMap((name): [string, object][] => [
      [`no ${name}`, { ...good, [name]: undefined }],
      [`an empty ${name}`, { ...good, [name]: '' }],
      [`a number as ${name}`, { ...good, [name]: 7 }],
    ]),
  ])('cannot be read with %s', (_, content) => {
    expect(() => decode(subject, bytesOf(content))).toThrow(UnreadableMessage);
  });

  it('of any bytes at all is read or refused, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => decode(subject, bytes)).toThrow(UnreadableMessage);
      }),
    );
  });
});
