import { expect, it } from '@jest/globals';
import { News } from './news.js';

it('the same reason is news once, another one is, and the same again after it had worked', () => {
  const news = new News();
  const all = ['a', 'a', 'b', 'a'].map((reason) => news.is(new Error(reason)));
  expect(all).toEqual([true, false, true, true]);
  news.over();
  expect(news.is(new Error('a'))).toBe(true);
});
