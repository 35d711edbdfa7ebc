import { describe, expect, it } from '@jest/globals';
import type { FSWatcher } from 'node:fs';
import { Anchor, WatchedFolder } from './watched-folder.js';

const watched = (parent: WatchedFolder | undefined, name: string): WatchedFolder => {
  const folder = new WatchedFolder(parent, name);
  folder.handle = { name } as unknown as FSWatcher;
  parent?.adopt(folder);
  return folder;
};

describe('names that changed in a folder', () => {
  it('are to be looked at once, however many there are', () => {
    const folder = watched(undefined, '/p');
    expect([folder.note('a'), folder.note('b'), folder.note('a')]).toEqual([true, false, false]);
    expect(folder.takeChanged()).toEqual(new Set(['a', 'b']));
    expect(folder.takeChanged()).toEqual(new Set());
    expect(folder.note('a')).toBe(true);
  });

  it('are all of them when one is not known, or when there are more than a thousand', () => {
    const folder = watched(undefined, '/p');
    expect(folder.note(undefined)).toBe(true);
    expect(folder.note('a')).toBe(false);
    expect(folder.takeChanged()).toBe('too many');
    for (let i = 0; i < 1_000; i++) folder.note(`${i}`);
    expect(folder.takeChanged()).toHaveProperty('size', 1_000);
    for (let i = 0; i < 1_001; i++) folder.note(`${i}`);
    expect(folder.takeChanged()).toBe('too many');
  });
});

it('a folder that is let go of takes all below it along', () => {
  const top = watched(undefined, '/p');
  const kept = watched(top, 'kept');
  const left = watched(top, 'left');
  const below = watched(watched(left, 'unreadable'), 'below');
  left.child('unreadable')!.handle = undefined;
  expect(top.abandon(left)).toEqual([left.handle, below.handle]);
  expect([left, below].every(({ gone }) => gone)).toBe(true);
  expect([top.gone, kept.gone, top.children]).toEqual([false, false, [kept]]);
  expect(below.path).toBe('/p/left/unreadable/below');
});

it('an event above the roots is about that folder itself, a root, or nothing of the project', () => {
  const anchor = new Anchor('/data/p1', new Set(['project', 'persist']));
  const said = [undefined, 'p1', 'persist', 'project.old'].map((name) => anchor.subjectOf(name));
  expect(said).toEqual(['itself', 'itself', 'root', 'another']);
});
