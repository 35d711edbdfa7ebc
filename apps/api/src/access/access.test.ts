import { describe, expect, it } from '@jest/globals';
import { Controller, Delete, Get, Module, Param, Post } from '@nestjs/common';
import { PROJECT_ROLES, SCOPES } from '@buckets/contracts';
import { createLogger, serviceSettings, startService } from '@buckets/service';
import { readSettings } from '@buckets/settings';
import { FLEET, Needs, ofOperation, ofProject, Open, OWN, sayTo, SERVICES, type Access } from './access.js';
import type { AdmittedProject } from './admission.js';
import { OfProject } from './admitted.js';
import type { Caller } from './caller.js';
import { expectRejection } from '../state/testing/given.js';
import { UserIds } from '../oidc/user-ids.js';
import { Owners } from './owners.js';
import { SCOPES_OF, SCOPES_OF_USERS } from './roles.js';
import { RouteCheck } from './route-check.js';
import { faultOf, routesOf } from './routes.js';

const caller = (more: Partial<Caller>): Caller => ({
  kind: 'service',
  id: 'x',
  name: 'x',
  scopes: ['projects:read'],
  reach: 'fleet',
  ...more,
});
const own = { userId: 'x', roles: PROJECT_ROLES };
const access = (within: Access['within'], scope: Access['scope'] = 'projects:read'): Access => ({ scope, within });

describe('who may take a route', () => {
  it('holds its scope, or all of them', () => {
    for (const within of [FLEET, SERVICES, OWN, ofProject('viewer'), ofOperation('owner')]) {
      expect(sayTo(caller({}), access(within), null)).toBe('yes');
      expect(sayTo(caller({ scopes: ['admin'] }), access(within), null)).toBe('yes');
      expect(sayTo(caller({ scopes: ['projects:write'] }), access(within), 'owner')).toBe('forbidden');
      expect(sayTo(caller({ scopes: [], reach: own }), access(within), 'owner')).toBe('forbidden');
    }
    expect(sayTo(caller({ scopes: ['admin'] }), undefined, 'owner')).toBe('forbidden');
  });

  it('has a say that reaches as far', () => {
    const bound = caller({ reach: own });
    const user = caller({ reach: own, kind: 'user' });
    expect([FLEET, SERVICES, OWN].map((within) => sayTo(bound, access(within), null))).toEqual([
      'forbidden',
      'yes',
      'yes',
    ]);
    expect([FLEET, SERVICES, OWN].map((within) => sayTo(user, access(within), null))).toEqual([
      'forbidden',
      'forbidden',
      'yes',
    ]);
  });

  it('has the role, and hears nothing of what they have none in', () => {
    const says = (within: Access['within']) =>
      [null, ...PROJECT_ROLES].map((role) => sayTo(caller({ reach: own }), access(within), role));
    expect(says(ofProject('viewer'))).toEqual(['not-there', 'yes', 'yes', 'yes']);
    expect(says(ofProject('collaborator'))).toEqual(['not-there', 'forbidden', 'yes', 'yes']);
    expect(says(ofOperation('owner'))).toEqual(['not-there', 'forbidden', 'forbidden', 'yes']);
    expect(says(ofProject('fleet'))).toEqual(['not-there', 'forbidden', 'forbidden', 'forbidden']);
  });
});

it('roles give no scope that is not listed for them: what comes later is for the administrator alone', () => {
  const kept = SCOPES.filter((scope) => !SCOPES_OF.operator.includes(scope));
  expect(kept).toEqual(['admin', 'files:read', 'files:write', 'api-keys:write']);
  expect(SCOPES_OF_USERS).not.toContain('hosts:read');
  expect(SCOPES_OF_USERS).not.toContain('api-keys:write');
});

describe('the owner of a new project', () => {
  const userIds = new UserIds(Buffer.alloc(32, 1));
  const owners = new Owners(userIds);
  const ada = userIds.of('https://id.example', 'ada');
  const madeUp = `u-${'0'.repeat(40)}`;
  const ofNew = (
    wanted: { id?: string; ownerId?: string | undefined; bucketId?: string; adopt?: boolean },
    by: Caller,
  ) => owners.ofNew(wanted as { ownerId?: string }, by).ownerId;

  it('is whom the platform names, or the person who asks', () => {
    expect(ofNew({ ownerId: 'o-17' }, caller({}))).toBe('o-17');
    expect(ofNew({ ownerId: ada, id: 'x', adopt: true }, caller({}))).toBe(ada);
    expect(ofNew({}, caller({}))).toBeUndefined();
    expect(ofNew({ ownerId: undefined }, caller({ kind: 'user', id: ada }))).toBe(ada);
    expect(ofNew({ ownerId: 'o-17' }, caller({ kind: 'user', id: ada }))).toBe('o-17');
    expectRejection(() => ofNew({ ownerId: madeUp }, caller({})), 'user-not-found', 404);
  });

  it('is the owner of the key, whose projects have no id or data of its choice', () => {
    const bound = caller({ reach: own });
    expect(ofNew({}, bound)).toBe('x');
    expect(ofNew({ ownerId: 'x', adopt: false }, bound)).toBe('x');
    for (const wanted of [{ ownerId: 'y' }, { id: 'p1' }, { bucketId: 'b1' }, { adopt: true }]) {
      expectRejection(() => ofNew(wanted, bound), 'forbidden', 403);
    }
  });

  it('is nobody of an issuer that there is not', () => {
    expectRejection(() => new Owners(undefined).mustKnow(ada, caller({})), 'user-not-found', 404);
    expect(() => owners.mustKnow(ada, caller({ reach: own }))).not.toThrow();
    expectRejection(() => owners.mustKnow('y', caller({ reach: own })), 'user-not-found', 404);
  });
});

describe('a route', () => {
  @Controller('v1/projects')
  class Wrong {
    @Get() forgotten(): void {}
    @Get(':id') @Needs('projects:read') ofTheFleet(): void {}
    @Delete(':id/things') @Needs('projects:read', ofOperation('viewer')) ofAnother(): void {}
    @Get(':id/name') @Needs('projects:read', ofProject('viewer')) takesIt(@Param('id') _id: string): void {}
    @Get(':projectId/size') @Needs('projects:read', ofProject('viewer')) otherName(
      @OfProject() _project: AdmittedProject,
    ): void {}
    @Post(':id/stop') @Needs('projects:write', ofProject('owner')) right(
      @OfProject() _project: AdmittedProject,
    ): void {}
  }
  @Controller('v1/things')
  class AlsoWrong {
    @Get(':id') @Needs('projects:read', ofProject('viewer')) ofNoProject(): void {}
    @Post(':id') @Needs('projects:read') unasked(@OfProject() _project: AdmittedProject): void {}
    @Get('open') @Open() open(): void {}
    @Post() @Needs('projects:read', OWN) own(): void {}
  }

  it('has to say who may take it, and about what it is', () => {
    const routes = routesOf([Wrong, AlsoWrong]);
    const faults = Object.fromEntries(routes.map((route) => [`${route.method} ${route.path}`, faultOf(route)]));
    expect(faults).toEqual({
      'GET /v1/projects': expect.stringContaining('does not say who may take it'),
      'GET /v1/projects/{id}': expect.stringContaining('is about project'),
      'DELETE /v1/projects/{id}/things': expect.stringContaining('is about project'),
      'GET /v1/projects/{id}/name': expect.stringContaining('takes none'),
      'GET /v1/projects/{projectId}/size': expect.stringContaining('is about project'),
      'POST /v1/projects/{id}/stop': null,
      'GET /v1/things/{id}': expect.stringContaining('is about no project or operation'),
      'POST /v1/things/{id}': expect.stringContaining('takes project'),
      'GET /v1/things/open': null,
      'POST /v1/things': null,
    });
  });

  it('that does not keeps the API from starting', async () => {
    class Faulty {}
    Module({ controllers: [Wrong], providers: [RouteCheck] })(Faulty);
    const settings = readSettings(serviceSettings, {});
    const start = startService({ module: Faulty, settings, log: createLogger('test', { level: 'fatal' }) });
    await expect(start).rejects.toThrow('GET /v1/projects does not say who may take it.');
  });
});
