import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { Type } from '@nestjs/common';
import { faultOf, routesOf } from './routes.js';

/** Keeps the API from starting with a route of which nobody has said who may take it. */
@Injectable()
export class RouteCheck implements OnModuleInit {
  constructor(private readonly modules: ModulesContainer) {}

  onModuleInit(): void {
    const controllers = [...this.modules.values()].flatMap((module) =>
      [...module.controllers.values()].flatMap(({ metatype }) => (metatype === null ? [] : [metatype as Type])),
    );
    const faults = routesOf(controllers).flatMap((route) => faultOf(route) ?? []);
    if (faults.length > 0)
      throw new Error(`Routes that are open to nobody, or to the wrong people: ${faults.join(' ')}`);
  }
}
