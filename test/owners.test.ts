import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { TrialIssuer } from '../apps/api/src/oidc/testing/trial-issuer.js';
import { Api, type Operation, type Project } from './running/api.js';
import { EU, Product } from './running/product.js';

jest.setTimeout(120_000);

let issuer: TrialIssuer;
let product: Product;
beforeAll(async () => {
  issuer = await TrialIssuer.start();
  product = await Product.start({ services: ['api', 'worker-eu-1'], settings: () => issuer.settings });
});
afterAll(async () => {
  await product?.[Symbol.asyncDispose]();
  await issuer?.stop();
});

/** The API as somebody else sees it. */
function as(token: string): Api {
  return new Api(
    () => product.stack.access.apiUrl,
    () => token,
  );
}

it('a project that the platform makes for a person is backed up and restored by that person, and by nobody who has no role in it', async () => {
  const [ada, bob] = [as(await issuer.token('ada')), as(await issuer.token('bob'))];
  const { id: adasId } = await product.api.post<{ id: string }>('/v1/user-ids', { subject: 'ada' }, 200);
  const { id: bobsId } = await bob.get<{ id: string }>('/v1/me');

  const { token } = await product.api.post<{ token: string }>('/v1/api-keys', {
    ...{ name: 'for ada', scopes: ['projects:read', 'projects:write'], ownerId: adasId },
  });
  const making = { body: { hostId: EU, title: 'Notes' }, headers: { 'idempotency-key': 'notes' } };
  const { body: made, status } = await as(token).call<Project>('POST', '/v1/projects', making);
  expect(status).toBe(201);
  expect(await ada.ended(made.provisionOperationId)).toMatchObject({ state: 'succeeded' });
  expect(await ada.get(`/v1/projects/${made.id}`)).toMatchObject({ ownerId: adasId, title: 'Notes' });

  await writeFile(join(product.folder(made.id), 'project', 'note'), 'of ada');
  const { result, id } = await ada.done(`/v1/projects/${made.id}/backups`);
  expect((await bob.call('GET', `/v1/operations/${id}`)).status).toBe(404);
  expect((await bob.call('GET', `/v1/projects/${made.id}/backups`)).status).toBe(404);
  expect(await bob.get('/v1/projects')).toEqual({ items: [] });

  await ada.call('PUT', `/v1/projects/${made.id}/members/${bobsId}`, { body: { role: 'collaborator' } });
  const restored = await bob.done(`/v1/projects/${made.id}/backups/${result!.backupId}/restore`);
  expect(restored).toMatchObject({ state: 'succeeded' } satisfies Partial<Operation>);
  expect((await bob.call('GET', `/v1/projects/${made.id}/files?path=project/note`)).status).toBe(200);
  expect((await bob.call('DELETE', `/v1/projects/${made.id}/backups/${result!.backupId}`)).status).toBe(403);

  await ada.call('DELETE', `/v1/projects/${made.id}/members/${bobsId}`);
  expect((await bob.call('GET', `/v1/projects/${made.id}/files?path=project/note`)).status).toBe(404);

  // The request that made it does not show it to its maker once it is another's.
  const again = () => as(token).call('POST', '/v1/projects', making);
  expect(await again()).toMatchObject({ status: 201, body: { id: made.id } });
  await product.api.call('PATCH', `/v1/projects/${made.id}`, { body: { ownerId: bobsId } });
  expect(await again()).toMatchObject({ status: 404, body: { code: 'project-not-found' } });
});

it('a file whose body was not read is not written empty, however its route is spelt', async () => {
  await product.newProject('spelt');
  const file = { body: '{"kept":"as it is"}', headers: { 'content-type': 'application/json' } };
  for (const path of ['/v1/projects/spelt/files', '/V1/Projects/spelt/FILES']) {
    expect((await product.api.call('PUT', `${path}?path=project/a.json`, file)).status).toBe(204);
    expect(await readFile(join(product.folder('spelt'), 'project', 'a.json'), 'utf8')).toBe(file.body);
  }
});
