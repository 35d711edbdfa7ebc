import type { ProjectKeys } from '../keys/project-keys.js';
import type { ProjectRow } from '../tables/entities.js';

/** Opens a project's sealed texts for somebody who may read them. */
export async function openTexts(keys: ProjectKeys, row: ProjectRow): Promise<{ title?: string; description?: string }> {
  const open = async (field: 'title' | 'description') =>
    row[field] === null ? {} : { [field]: await keys.open({ projectId: row.id, field }, row[field]) };
  return { ...(await open('title')), ...(await open('description')) };
}
