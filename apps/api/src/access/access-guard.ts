import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { keepConnectionOf } from '@buckets/service';
import type { Response } from 'express';
import { accessIn } from './access.js';
import type { AdmittedRequest, Admission } from './admission.js';
import type { CalledRequest } from './caller.js';
import { Room, type RoomFor } from './room.js';
import type { Tokens } from './tokens.js';

/** Paths of `@buckets/service`, which every service answers to anybody who can reach it. */
export const OPEN_PATHS = /^\/(health\/(live|ready)|metrics|openapi\.json|docs)(\/|$)/;

/** Requests under way: streams, and those that wait, among them. */
const UNDER_WAY: RoomFor = { user: 50, users: 1_000, fleetCaller: 1_000, all: 1_800 };

/** Lets a request in that bears a token which may do what its route does. Nothing is open by default. */
export class AccessGuard implements CanActivate {
  constructor(
    private readonly tokens: Pick<Tokens, 'callerOf'>,
    private readonly admission: Pick<Admission, 'admit'>,
    private readonly room = new Room('requests', UNDER_WAY),
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isOpen(context)) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<AdmittedRequest>();
    request.caller = await this.tokens.callerOf(onlyOne(request.headersDistinct['authorization']));
    request.cameAt = performance.now();
    this.room.hold(request.caller, http.getResponse<Response>());
    keepConnectionOf(request);
    const access = accessIn(context);
    const { caller, params } = request;
    request.admitted = await this.admission.admit(caller, access === 'open' ? undefined : access, params['id'], params);
    return true;
  }
}

/** Of two, nobody knows which one somebody in between has looked at. */
function onlyOne(headers: string[] = []): string | undefined {
  return headers.length === 1 ? headers[0] : undefined;
}

/** Whether no token is needed: no person asks, or anybody may. */
export function isOpen(context: ExecutionContext): boolean {
  if (context.getType() !== 'http' || accessIn(context) === 'open') return true;
  return OPEN_PATHS.test(context.switchToHttp().getRequest<CalledRequest>().path);
}
