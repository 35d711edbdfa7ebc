import { Module } from '@nestjs/common';
import type { DynamicModule, Type } from '@nestjs/common';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { HealthChecks } from './health/health-checks.js';
import { HealthController } from './health/health.controller.js';
import type { Logger } from './logs/logger.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { Stopping } from './stopping.js';

/** Injects the log of the service: `@Inject(LOGGER) log: Logger`. */
export const LOGGER = Symbol('the log of the service');

/**
 * What all modules of a service can inject without importing anything: the log (`LOGGER`), `HealthChecks` to register
 * with, the metrics' `Registry` and `Stopping`.
 */
@Module({})
export class ServiceModule {
  static around(module: Type<unknown> | DynamicModule, log: Logger): DynamicModule {
    return {
      module: ServiceModule,
      global: true,
      imports: [module],
      controllers: [HealthController, MetricsController],
      providers: [
        { provide: LOGGER, useValue: log },
        { provide: HealthChecks, useFactory: () => new HealthChecks() },
        { provide: Registry, useFactory: processMetrics },
        Stopping,
      ],
      exports: [LOGGER, HealthChecks, Registry, Stopping],
    };
  }
}

/** Memory, CPU, event-loop lag, open files and garbage collection of this process. */
function processMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
