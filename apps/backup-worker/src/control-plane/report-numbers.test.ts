import { expect, it } from '@jest/globals';
import { ReportNumbers } from './report-numbers.js';

it('the sum is of the latest number of each project, since all was reported anew', () => {
  const numbers = new ReportNumbers();
  expect([numbers.from, numbers.sum]).toEqual([1, 0]);
  expect(['a', 'b', 'a'].map((id) => numbers.next(id))).toEqual([1, 2, 3]);
  expect(numbers.sum).toBe(2 + 3);
  numbers.beginAnew();
  expect([numbers.from, numbers.sum]).toEqual([4, 0]);
  expect(numbers.next('b')).toBe(4);
  expect(numbers.sum).toBe(4);
});
