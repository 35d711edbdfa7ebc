import type { ProjectKeys } from '../keys/project-keys.js';
import type { ProjectRow } from '../tables/entities.js';

/** Opens a project's sealed texts for somebody who may read them; an empty one is none. */
export async function openTexts(keys: ProjectKeys, row: ProjectRow): Promise<{ title?: string; description?: string }> {
  const open = async (field: 'title' | 'description') => {
    const text = row[field] === null ? '' : await keys.open({ projectId: row.id, field }, row[field]);
    return text === '' ? {} : { [field]: text };
  };
  return { ...(await open('title')), ...(await open('description')) };
}
