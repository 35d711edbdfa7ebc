import { expect, it } from '@jest/globals';
import { readable } from './printed-log.js';

it.each([
  ['plain text', 'plain text'],
  ['{not json', '{not json'],
  ['{"other":"json"}', '{"other":"json"}'],
  [
    '{"level":"info","time":"2026-01-02T03:04:05.678Z","service":"api","pid":1,"url":"http://x","message":"Listening"}',
    '03:04:05.678 Listening {"url":"http://x"}',
  ],
  [
    '{"level":"error","time":"2026-01-02T03:04:05.678Z","service":"api","pid":1,"message":"Lost"}',
    '03:04:05.678 ERROR Lost',
  ],
])('shows %s to people', (line, shown) => {
  expect(readable(line)).toBe(shown);
});
