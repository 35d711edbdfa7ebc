import { Controller, Get, Header, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Stopping } from '../stopping.js';
import { HealthChecks } from './health-checks.js';
import type { HealthReport } from './health-checks.js';

/** Whether the process lives, and whether it can do its work. */
@Controller('health')
export class HealthController {
  constructor(
    private readonly checks: HealthChecks,
    private readonly stopping: Stopping,
  ) {}

  @Get('live')
  @Header('Cache-Control', 'no-store')
  live(): { status: 'up' } {
    return { status: 'up' };
  }

  @Get('ready')
  @Header('Cache-Control', 'no-store')
  async ready(@Res({ passthrough: true }) response: Response): Promise<HealthReport | { status: 'stopping' }> {
    const report = this.stopping.signal.aborted ? ({ status: 'stopping' } as const) : await this.checks.report();
    response.status(report.status === 'up' ? 200 : 503);
    return report;
  }
}
