import { expect, it } from '@jest/globals';
import { readable } from './readable-line.js';

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
  [
    '{"level":"fatal","time":"2026-01-02T03:04:05.678Z","message":"No start","error":{"code":"bad","message":"Do\\nthis","stack":"x"}}',
    '03:04:05.678 FATAL No start\n  Do\n  this',
  ],
  [
    '{"level":"error","time":"2026-01-02T03:04:05.678Z","message":"Lost","error":{"message":"m","stack":"m\\n    at f"}}',
    '03:04:05.678 ERROR Lost\n  m\n      at f',
  ],
])('shows %s to people', (line, shown) => {
  expect(readable(line)).toBe(shown);
});
