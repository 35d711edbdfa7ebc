import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  DEFAULT_LIMITS,
  readIntent,
  STREAM,
  subjects,
  type Answer,
  type AskName,
  type Asks,
  type CommandName,
  type Commands,
  type IntentKind,
  type NewEvent,
  type OperationKind,
} from '@buckets/contracts';
import { until } from '@buckets/patience';
import { beganEvent, event, HERE, READY, recordedEvent, requestedEvent, snapshot } from '../state/testing/given.js';
import { RunningApi } from '../testing/running-api.js';

jest.setTimeout(60_000);

describe('operations', () => {
  let api: RunningApi;
  let names = 0;

  beforeAll(async () => {
    api = await RunningApi.start({ BUCKETS_HOST_SILENCE_LIMIT: '1s' });
  });
  afterAll(async () => {
    await api.stop();
  });

  const positionOf = async (project: string): Promise<number> => {
    const rows = await api.data.query<{ position: string }[]>(
      `SELECT position FROM api.thing_state WHERE thing = 'project' AND id = $1`,
      [project],
    );
    return Number(rows[0]?.position ?? 0);
  };
  const append = async (project: string, ...events: NewEvent<'project'>[]) =>
    api.given(project, events, await positionOf(project));
  /** A project with its data, whose operations have ids of their own. */
  const newProject = async (...events: NewEvent<'project'>[]): Promise<string> => {
    const id = `p-${++names}`;
    const own = READY.map((each) => ({
      ...each,
      data: { ...each.data, ...('operationId' in each.data ? { operationId: `op-of-${id}` } : {}) },
    })) as NewEvent<'project'>[];
    await append(id, ...own, ...events);
    return id;
  };
  const newOperation = async (
    kind: OperationKind,
    began = false,
    more: object = {},
  ): Promise<{ project: string; id: string }> => {
    const id = `op-${++names}`;
    const { data, ...asked } = requestedEvent(id, kind);
    const requested = { ...asked, data: { ...data, ...more } } as NewEvent<'project'>;
    const project = await newProject(requested, ...(began ? [beganEvent(id, kind, 'at-1')] : []));
    return { project, id };
  };
  const post = (path: string, body?: unknown, { key, token }: { key?: string; token?: string } = {}) =>
    api.call('POST', path, {
      ...(body === undefined ? {} : { body }),
      ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
      ...(token === undefined ? {} : { token }),
    });
  const cancel = (id: string, options?: { key?: string; token?: string }) =>
    post(`/v1/operations/${id}/cancel`, {}, options);
  const get = async (id: string, query = '') => (await api.call('GET', `/v1/operations/${id}${query}`)).body;
  const refused = (status: number, code: string) => ({ status, body: expect.objectContaining({ status, code }) });
  const lastIntent = async (project: string, kind: IntentKind) => {
    const subject = subjects.intent(HERE.hostId, project, kind);
    const message = await api.jsm.streams.getMessage(STREAM.log, { last_by_subj: subject });
    return message === null ? null : readIntent(message.subject, message.data);
  };
  const tokenFor = async (...scopes: string[]) =>
    String((await post('/v1/api-keys', { name: 'k', scopes })).body['token']);
  const message = async <T>(subject: string, body: object): Promise<Answer<T>> => {
    const answer = await api.nats.request(subject, JSON.stringify(body), { timeout: 10_000 });
    return answer.json<Answer<T>>();
  };
  const ask = <N extends AskName>(name: N, body: Asks[N]['ask']) =>
    message<Asks[N]['answer']>(subjects.ask(HERE.hostId, name), body);
  const command = <N extends CommandName>(name: N, body: Commands[N]['command']) =>
    message<Commands[N]['result']>(subjects.command(name), body);

  it('that are queued for a host of which nothing is heard say so, without its name', async () => {
    const { id } = await newOperation('backup');
    const waitsFor = await until(async () => (await get(id))['waitsFor'] as string | undefined);
    expect(waitsFor).toMatch(/^Its host does nothing\. It has never been heard: start its worker/);
    expect(waitsFor).not.toContain(HERE.hostId);
    const { body } = await api.call('GET', '/v1/operations?state=queued');
    expect(body['items']).toContainEqual(expect.objectContaining({ id, waitsFor }));
  });

  describe('that are cancelled', () => {
    it('end at once while nothing of them has begun', async () => {
      const { project, id } = await newOperation('backup');
      const answer = await cancel(id);
      expect(answer).toMatchObject({
        status: 202,
        body: { id, state: 'cancelled', attempts: 0, cancelRequestedAt: expect.any(String) },
      });
      expect(answer.headers.get('location')).toBe(`/v1/operations/${id}`);
      expect(answer.body).not.toHaveProperty('cancelTooLate');
      expect(await lastIntent(project, 'cancel')).toBeNull();
    });

    it('go on until their host has spoken, where it has begun with them', async () => {
      const { project, id } = await newOperation('backup', true);
      expect(await cancel(id)).toMatchObject({
        status: 202,
        body: { state: 'running', cancelRequestedAt: expect.any(String) },
      });
      expect(await lastIntent(project, 'cancel')).toMatchObject({
        hostId: HERE.hostId,
        data: { operationId: id, generation: HERE.generation },
      });
      const position = await positionOf(project);
      expect(await cancel(id)).toMatchObject({ status: 202, body: { state: 'running' } });
      expect(await positionOf(project)).toBe(position);

      const left = ['What was uploaded stays, and is reused by the next backup.'];
      await append(project, event('backup-cancelled', { operationId: id, attempt: 1, left }));
      expect(await get(id)).toMatchObject({ state: 'cancelled', left });
    });

    it('say so where they had been done before', async () => {
      const { project, id } = await newOperation('stop', true);
      await cancel(id);
      await append(project, event('stop-succeeded', { operationId: id, attempt: 1, running: false }));
      expect(await get(id)).toMatchObject({ state: 'succeeded', cancelTooLate: true });
      const late = await cancel(id);
      expect(late).toMatchObject(refused(409, 'operation-ended'));
      expect(late.body).toMatchObject({ state: 'succeeded', detail: expect.stringContaining('succeeded') });
    });

    it('are cancelled once under one key, and answer alike', async () => {
      const { project, id } = await newOperation('backup');
      const first = await cancel(id, { key: 'cancel-1' });
      const position = await positionOf(project);
      expect(await cancel(id, { key: 'cancel-1' })).toMatchObject({ status: 202, body: first.body });
      expect(await cancel(id, { key: 'cancel-2' })).toMatchObject(refused(409, 'operation-ended'));
      expect(await positionOf(project)).toBe(position);
      const { id: other } = await newOperation('backup');
      expect(await cancel(other, { key: 'cancel-1' })).toMatchObject(refused(409, 'idempotency-key-reused'));
    });

    it('need the scope, and an operation', async () => {
      const { id } = await newOperation('backup');
      const mayRead = await tokenFor('operations:read', 'backups:write', 'projects:write');
      expect(await cancel(id, { token: mayRead })).toMatchObject({ status: 403 });
      expect(await cancel(id, { token: await tokenFor('operations:write') })).toMatchObject({ status: 202 });
      expect(await cancel('nothing')).toMatchObject(refused(404, 'operation-not-found'));
      expect(await cancel('No.Id')).toMatchObject(refused(400, 'invalid-id'));
      expect(await post(`/v1/operations/${id}/cancel`, { force: true })).toMatchObject(refused(400, 'invalid-request'));
      expect(await post(`/v1/operations/${id}/cancel`)).toMatchObject(refused(409, 'operation-ended'));
    });
  });

  describe('that are waited for', () => {
    it('are answered when they end', async () => {
      const { project, id } = await newOperation('stop', true);
      const waiting = get(id, '?wait=60s');
      await append(project, event('stop-failed', { operationId: id, attempt: 1, code: 'hook-failed', reason: 'No.' }));
      expect(await waiting).toMatchObject({ state: 'failed', code: 'hook-failed' });
      expect(await get(id, '?wait=60s')).toMatchObject({ state: 'failed' });
    });

    it('are answered as they are when the time is up', async () => {
      const { id } = await newOperation('stop');
      for (const wait of ['0s', '50ms']) expect(await get(id, `?wait=${wait}`)).toMatchObject({ state: 'queued' });
    });

    it.each(['61s', '2m', '30', '-1s', 's', '', '1e1s', 'NaN'])('are not waited for %s', async (wait) => {
      const { id } = await newOperation('stop');
      expect(await api.call('GET', `/v1/operations/${id}?wait=${wait}`)).toMatchObject(refused(400, 'invalid-request'));
    });
  });

  describe('with limits', () => {
    const works: [string, OperationKind, (project: string) => string][] = [
      ['a backup', 'backup', (project) => `/v1/projects/${project}/backups`],
      ['a restore', 'restore', (project) => `/v1/projects/${project}/backups/${snapshot(1)}/restore`],
      ['a start', 'start', (project) => `/v1/projects/${project}/start`],
      ['a stop', 'stop', (project) => `/v1/projects/${project}/stop`],
      ['a tidy', 'tidy', (project) => `/v1/projects/${project}/tidy`],
    ];
    const ready = () =>
      newProject(
        event('repository-initialised', { configId: snapshot('a'), operationId: `op-${names}` }),
        recordedEvent(1),
      );

    it.each(works)('say what their caller has asked for, and what holds besides: %s', async (_, kind, path) => {
      const project = await ready();
      const limits = { ...DEFAULT_LIMITS[kind], stallSeconds: 7 };
      const { status, body } = await post(path(project), { limits: { stallSeconds: 7 } });
      expect({ status, limits: body['limits'] }).toEqual({ status: 202, limits });
      expect((await lastIntent(project, kind))!.data).toMatchObject({ operationId: body['id'], limits });
      expect(body['params']).not.toHaveProperty('limits');
      expect(await post(path(await ready()))).toMatchObject({ status: 202, body: { limits: DEFAULT_LIMITS[kind] } });
    });

    it.each([
      { queueSeconds: 0 },
      { wholeSeconds: 1.5 },
      { attemptSeconds: 30 * 86_400 + 1 },
      { stallSeconds: '7' },
      { seconds: 7 },
      [],
      7,
    ])('are refused where those make no sense: %j', async (limits) => {
      const project = await newProject();
      expect(await post(`/v1/projects/${project}/stop`, { limits })).toMatchObject(refused(400, 'invalid-request'));
    });
  });

  describe('that look for orphans', () => {
    const initialised = event('repository-initialised', { configId: snapshot('a'), operationId: 'op-b' });

    it('list, unless they are to remove', async () => {
      const project = await newProject(initialised);
      const tidy = (body?: unknown, token?: string) =>
        post(`/v1/projects/${project}/tidy`, body, token === undefined ? {} : { token });
      expect(await tidy()).toMatchObject({
        status: 202,
        body: { kind: 'tidy', params: { remove: false, graceSeconds: 86_400 } },
      });
      expect(await tidy({ remove: true, graceSeconds: 60 })).toMatchObject({
        status: 202,
        body: { params: { remove: true, graceSeconds: 60 } },
      });
      expect(await tidy({ remove: 'yes' })).toMatchObject(refused(400, 'invalid-request'));
      expect(await tidy({ graceSeconds: -1 })).toMatchObject(refused(400, 'invalid-request'));
      expect(await tidy({}, await tokenFor('projects:write', 'operations:write'))).toMatchObject({ status: 403 });
      expect(await tidy({}, await tokenFor('backups:write'))).toMatchObject({ status: 202 });
    });

    it('need a repository', async () => {
      const project = await newProject();
      expect(await post(`/v1/projects/${project}/tidy`, {})).toMatchObject(refused(409, 'no-repository'));
      expect(await post('/v1/projects/nobody/tidy', {})).toMatchObject(refused(404, 'project-not-found'));
    });

    it('tell what they have found', async () => {
      const project = await newProject(initialised);
      const { body } = await post(`/v1/projects/${project}/tidy`, {});
      const id = String(body['id']);
      const first = [{ backupId: snapshot(9), at: '2031-01-01T00:00:00Z', operationId: 'op-lost', removed: false }];
      const orphans = { total: 1, removed: 0, first };
      await append(
        project,
        beganEvent(id, 'tidy', 'at-1'),
        event('tidy-succeeded', { operationId: id, attempt: 1, result: { orphans } }),
      );
      expect(await get(id)).toMatchObject({ state: 'succeeded', result: { orphans } });
    });

    const newId = (): string => `op-${++names}`;

    it('are told which snapshots are no backups, what may make one yet, and which of their makers have ended', async () => {
      const [backup, tidy, ended, other] = [newId(), newId(), newId(), newId()];
      // The control plane ended these by itself: after an older log was put back, their hosts may have made backups.
      const [expired, unanswered, unbegun, tooOften, impossible] = [newId(), newId(), newId(), newId(), newId()];
      await newProject(requestedEvent(other, 'backup'), event('backup-failed', { operationId: other }));
      const project = await newProject(
        recordedEvent(1),
        requestedEvent(ended, 'backup'),
        beganEvent(ended, 'backup', 'at-1'),
        event('backup-failed', { operationId: ended, attempt: 1 }),
        requestedEvent(expired, 'backup'),
        beganEvent(expired, 'backup', 'at-1'),
        event('backup-expired', { operationId: expired, attempt: 1, code: 'whole-limit' }),
        requestedEvent(unanswered, 'backup'),
        beganEvent(unanswered, 'backup', 'at-1'),
        event('backup-cancelled', { operationId: unanswered, attempt: 1, code: 'cancel-unanswered' }),
        requestedEvent(unbegun, 'backup'),
        event('backup-cancelled', { operationId: unbegun }),
        requestedEvent(tooOften, 'backup'),
        beganEvent(tooOften, 'backup', 'at-1'),
        event('backup-failed', { operationId: tooOften, attempt: 25, code: 'too-many-attempts' }),
        requestedEvent(impossible, 'backup'),
        beganEvent(impossible, 'backup', 'at-1'),
        event('backup-failed', { operationId: impossible, attempt: 1, code: 'impossible-claim' }),
        requestedEvent(backup, 'backup'),
        requestedEvent(tidy, 'tidy'),
        beganEvent(tidy, 'tidy', 'at-1'),
      );
      const about = {
        projectId: project,
        generation: HERE.generation,
        operationId: tidy,
        attemptId: 'at-1',
        backupIds: [snapshot(1), snapshot(2)],
        // The last two: of another project, and of nobody.
        operationIds: [backup, ended, expired, unanswered, unbegun, tooOften, impossible, other, 'op-lost'],
      };
      expect(await ask('unknown-backups', about)).toEqual({
        ok: {
          backupIds: [snapshot(2)],
          openOperations: expect.arrayContaining([backup, tidy]),
          endedOperations: [ended],
        },
      });
      const { operationIds: _unsaid, ...ofEarlierVersion } = about;
      expect(await ask('unknown-backups', ofEarlierVersion)).toMatchObject({ ok: { backupIds: [] } });
      expect(await ask('unknown-backups', { ...about, attemptId: 'at-0' })).toMatchObject({
        refused: { code: 'overtaken', retry: false },
      });
    });
  });

  describe('that a process manager cares for', () => {
    it('expire, once their time is up', async () => {
      const detail = 'Its host has been silent since noon.';
      const expire = (of: { project: string; id: string }) =>
        command('expire-operation', { projectId: of.project, operationId: of.id, code: 'whole-limit', detail });
      const long = await newOperation('restore', true);
      expect(await expire(long)).toMatchObject({ refused: { code: 'time-not-up', retry: true } });
      expect(await get(long.id)).not.toHaveProperty('endedAt');

      const limits = { queueSeconds: 1, stallSeconds: 1, attemptSeconds: 1, wholeSeconds: 1 };
      const short = await newOperation('restore', true, { limits });
      const { project, id } = short;
      const answer = await until(async () => {
        const each = await expire(short);
        return 'ok' in each ? each : undefined;
      });
      expect(answer).toEqual({ ok: { position: expect.any(Number) } });
      const ended = await get(id);
      expect(ended).toMatchObject({ state: 'expired', code: 'whole-limit', reason: expect.stringContaining(detail) });
      expect(await lastIntent(project, 'cancel')).toMatchObject({ data: { operationId: id } });
      const again = { projectId: project, operationId: id, code: 'queue-limit' } as const;
      expect(await command('expire-operation', again)).toEqual({ ok: { position: await positionOf(project) } });
      expect(await get(id)).toEqual(ended);
      expect(await command('expire-operation', { ...again, code: 'bored' as never })).toMatchObject({
        refused: { code: 'bad-command', retry: false },
      });
    });

    it('tidy up, once for each key', async () => {
      const project = await newProject(
        event('repository-initialised', { configId: snapshot('a'), operationId: 'op-b' }),
      );
      const wish = { projectId: project, key: 'after op-1', graceSeconds: 60 };
      const answer = await command('request-tidy', wish);
      expect(answer).toEqual({ ok: { operationId: expect.any(String) } });
      expect(await command('request-tidy', wish)).toEqual(answer);
      const { operationId } = (answer as { ok: { operationId: string } }).ok;
      expect(await get(operationId)).toMatchObject({
        requestedBy: 'scheduler',
        params: { remove: true, graceSeconds: 60 },
      });
    });
  });

  it('are counted as they end', async () => {
    const { id } = await newOperation('start');
    await cancel(id);
    const response = await fetch(`${api.url}/metrics`);
    expect(await response.text()).toMatch(
      /^buckets_operations_ended_total\{kind="start",outcome="cancelled",code=""\} 1$/m,
    );
  });
});
