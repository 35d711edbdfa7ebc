import { expect, it } from '@jest/globals';
import type { ProjectKeys } from '../keys/project-keys.js';
import type { ProjectRow } from '../tables/entities.js';
import { openTexts } from './project-texts.js';

const keys = { open: (_: unknown, sealed: string) => Promise.resolve(sealed.slice('sealed '.length)) };
const texts = (title: string | null, description: string | null) =>
  openTexts(keys as unknown as ProjectKeys, { id: 'p1', title, description } as ProjectRow);

it('a project has the texts that it was given, and none that was taken away', async () => {
  expect(await texts('sealed Atlas', 'sealed Maps')).toEqual({ title: 'Atlas', description: 'Maps' });
  expect(await texts('sealed ', 'sealed Maps')).toEqual({ description: 'Maps' });
  expect(await texts(null, null)).toEqual({});
});
