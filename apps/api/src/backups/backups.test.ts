import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { subjects, type NewEvent } from '@buckets/contracts';
import {
  backedUp,
  beganEvent,
  doubted,
  event,
  HERE,
  READY,
  recordedEvent,
  requestedEvent,
  snapshot,
} from '../state/testing/given.js';
import { RunningApi } from '../testing/running-api.js';

jest.setTimeout(60_000);

describe('backups over HTTP', () => {
  let api: RunningApi;
  let names = 0;

  beforeAll(async () => {
    api = await RunningApi.start();
  });
  afterAll(async () => {
    await api.stop();
  });

  /** A project with its data and these events; its operations have ids of their own. */
  const newProject = async (...events: NewEvent<'project'>[]): Promise<string> => {
    const id = `p-${++names}`;
    const own = [...READY, ...events].map((each) => {
      const { operationId } = each.data as { operationId?: string };
      return { ...each, data: { ...each.data, ...(operationId && { operationId: `${operationId}-${id}` }) } };
    }) as NewEvent<'project'>[];
    await api.given(id, own);
    return id;
  };
  const post = (path: string, body?: unknown, token?: string) =>
    api.call('POST', path, { ...(body === undefined ? {} : { body }), ...(token === undefined ? {} : { token }) });
  const accept = (project: string, digit: number, body?: unknown, token?: string) =>
    post(`/v1/projects/${project}/backups/${snapshot(digit)}/accept`, body, token);
  const list = async (project: string, query = '') => {
    const { body } = await api.call('GET', `/v1/projects/${project}/backups${query}`);
    return body as { items: { id: string; beganPosition: number }[]; nextCursor?: string };
  };
  const tokenFor = async (...scopes: string[]) =>
    String((await post('/v1/api-keys', { name: 'k', scopes })).body['token']);
  const refused = (status: number, code: string) => ({ status, body: expect.objectContaining({ status, code }) });
  const small = (digit: number) => backedUp(digit, { partialBecause: ['shrunken'] });

  it('are listed in the order in which they were allowed to begin, page by page', async () => {
    const late = [requestedEvent('op-l', 'backup'), beganEvent('op-l', 'backup', 'at-l')];
    const ended = event('backup-expired', { operationId: 'op-l' });
    const ahead = { beganAt: '2040-01-01T00:00:00Z' };
    const told = [recordedEvent(4, 'op-l'), recordedEvent(5, 'op-l')];
    const project = await newProject(...backedUp(1, ahead), ...late, ended, ...backedUp(2), ...backedUp(3), ...told);
    const newestFirst = [3, 2, 5, 4, 1].map(snapshot);
    expect((await list(project)).items.map(({ id }) => id)).toEqual(newestFirst);
    const found: string[] = [];
    for (let query: string | undefined = '?limit=2'; query !== undefined;) {
      const { items, nextCursor } = await list(project, query);
      found.push(...items.map(({ id }) => id));
      query = nextCursor && `?limit=2&cursor=${nextCursor}`;
    }
    expect(found).toEqual(newestFirst);
    const ofProjects = Buffer.from('p7').toString('base64url');
    const answer = await api.call('GET', `/v1/projects/${project}/backups?cursor=${ofProjects}`);
    expect(answer).toMatchObject(refused(400, 'invalid-cursor'));
  });

  describe('that are flagged', () => {
    it('are accepted once, and show since when and by whom', async () => {
      const project = await newProject(...backedUp(1), ...small(2));
      const first = await accept(project, 2);
      const accepted = { at: expect.any(String), because: 'asked-for', by: 'admin' };
      expect(first).toMatchObject({
        status: 200,
        body: { outcome: 'partial', partialBecause: ['shrunken'], accepted },
      });
      expect(await accept(project, 2, {})).toMatchObject({ status: 200, body: first.body });
      expect((await accept(project, 1)).body).not.toHaveProperty('accepted');
      expect((await list(project)).items[0]).toMatchObject({ accepted });
    });

    it('are accepted by whoever may write backups, and nothing else is', async () => {
      const project = await newProject(...small(1), ...small(2), ...doubted(2));
      expect(await accept(project, 1, {}, await tokenFor('projects:write', 'backups:read'))).toMatchObject({
        status: 403,
      });
      expect(await accept(project, 1, { really: true })).toMatchObject(refused(400, 'invalid-request'));
      expect(await accept(project, 3)).toMatchObject(refused(404, 'backup-not-found'));
      expect(await accept('nobody', 1)).toMatchObject(refused(404, 'project-not-found'));
      expect(await accept(project, 2)).toMatchObject(refused(409, 'backup-in-doubt'));
      expect(await accept(project, 1, {}, await tokenFor('backups:write'))).toMatchObject({ status: 200 });
    });

    it('say that they have stayed so small', async () => {
      const stayed = event('backup-accepted', { backupId: snapshot(2), because: 'stayed-small' });
      const { items } = await list(await newProject(...backedUp(1), ...small(2), stayed));
      expect(items[0]).toMatchObject({ accepted: { at: expect.any(String), because: 'stayed-small' } });
    });
  });

  it('that a deletion may have removed say so until they are looked for', async () => {
    const project = await newProject(...backedUp(1), ...doubted(1));
    expect((await list(project)).items).toMatchObject([{ inDoubt: true }]);
    const found = event('backup-found', { backupId: snapshot(1), operationId: 'op-t' });
    const other = await newProject(...backedUp(1), ...doubted(1), found);
    expect((await list(other)).items[0]).not.toHaveProperty('inDoubt');
  });

  describe('of which a start would pass over the newest', () => {
    /** The host says which roots are there, or why it shows none. */
    const hostSays = async (project: string, says: object) => {
      const subscription = api.nats.subscribe(subjects.request(HERE.hostId, 'files'));
      void (async () => {
        for await (const message of subscription) {
          const { projectId } = message.json<{ projectId: string }>();
          if (projectId === project) message.respond(JSON.stringify(says));
        }
      })();
      // The API asks on another connection.
      await api.nats.flush();
      return { [Symbol.dispose]: () => subscription.unsubscribe() };
    };
    const roots = (...names: string[]) => ({
      ok: {
        entries: names.map((name) => ({
          name,
          type: 'folder',
          size: 0,
          mtime: '2031-05-06T12:00:00.000Z',
          mode: '0755',
        })),
      },
    });
    const lost = { refused: { code: 'project-folder-missing', detail: 'It is not there.', retry: false } };
    const choices = {
      older: { backupId: snapshot(1) },
      newer: { backupId: snapshot(2), partialBecause: ['shrunken'] },
    };

    it.each([
      ['all', lost],
      ['one root', roots('persist')],
    ])('where %s of the data are missing, has to name one of both', async (_, says) => {
      const project = await newProject(...backedUp(1), ...small(2));
      using _host = await hostSays(project, says);
      const answer = await post(`/v1/projects/${project}/start`, {});
      expect(answer).toMatchObject({ ...refused(409, 'newer-backups-are-flagged'), body: { choices } });
      const chosen = await post(`/v1/projects/${project}/start`, { backupId: snapshot(2) });
      expect(chosen).toMatchObject({ status: 202, body: { params: { backupId: snapshot(2) } } });
      const wrong = { backupId: 'latest' };
      expect(await post(`/v1/projects/${project}/start`, wrong)).toMatchObject(refused(400, 'invalid-request'));
    });

    it('starts where its data are there, and nobody is asked where nothing is flagged', async () => {
      const project = await newProject(...backedUp(1), ...small(2));
      using _host = await hostSays(project, roots('persist', 'project'));
      expect(await post(`/v1/projects/${project}/start`, {})).toMatchObject({ status: 202 });
      const good = await newProject(...small(1), ...backedUp(2));
      using _other = await hostSays(good, lost);
      expect(await post(`/v1/projects/${good}/start`, {})).toMatchObject({ status: 202 });
    });

    it('is left to its host where that says nothing, or nonsense', async () => {
      const project = await newProject(...backedUp(1), ...small(2));
      using _host = await hostSays(project, { ok: {} });
      expect(await post(`/v1/projects/${project}/start`, {})).toMatchObject({ status: 202 });
    });
  });
});
