import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Projector } from '@buckets/log';
import { isOpen } from './access-guard.js';

/**
 * Lets a request in when the tables show all that they have shown before. A projection does not wait for the disk, so a
 * crash of Postgres takes its last moment away; what was answered once is then made anew from the log before anybody is
 * told that it is not there. Also what the access guard reads comes from these tables.
 */
export class SteadyTables implements CanActivate {
  constructor(private readonly projector: Pick<Projector, 'steady'>) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (!isOpen(context)) await this.projector.steady();
    return true;
  }
}
