import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner } from '@nestjs/core';
import { OPEN_PATHS } from './access-guard.js';
import { accessTo, type Access } from './access.js';
import { takenBy } from './admitted.js';

export interface Route {
  /** `GET`. */
  method: string;
  /** `/v1/projects/{id}`. */
  path: string;
  access: Access | 'open' | undefined;
  /** What it takes by its id, as something to which its caller was admitted. */
  takes: 'project' | 'operation' | undefined;
}

/** The routes of these controllers, but for those that every service answers to anybody. */
export function routesOf(controllers: readonly Type[]): Route[] {
  return controllers
    .flatMap((controller) => {
      const prototype = controller.prototype as Record<string, object>;
      const handlers = new MetadataScanner().getAllMethodNames(prototype).map((name) => prototype[name]!);
      return handlers.flatMap((handler) => {
        const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
        // What answers to messages takes no requests.
        if (method === undefined) return [];
        const path = pathOf(
          Reflect.getMetadata(PATH_METADATA, controller),
          Reflect.getMetadata(PATH_METADATA, handler),
        );
        return [
          {
            method: RequestMethod[method],
            path,
            access: accessTo(handler) ?? accessTo(controller),
            takes: takenBy(handler),
          },
        ];
      });
    })
    .filter(({ path }) => !OPEN_PATHS.test(path));
}

function pathOf(...parts: unknown[]): string {
  const words = parts.flatMap((part) => String(part ?? '').split('/')).filter((word) => word !== '');
  return `/${words.map((word) => word.replace(/^:(\w+)$/, '{$1}')).join('/')}`;
}

/** What a route is about by its path. */
const ABOUT: readonly (readonly [RegExp, 'project' | 'operation'])[] = [
  [/^\/v1\/projects\/\{/, 'project'],
  [/^\/v1\/operations\/\{/, 'operation'],
];

/** What is wrong with a route as far as it is said who may take it, in a sentence; null where nothing is. */
export function faultOf({ method, path, access, takes }: Route): string | null {
  if (access === undefined) return `${method} ${path} does not say who may take it.`;
  const about = ABOUT.find(([pattern]) => pattern.test(path))?.[1];
  const of = access === 'open' ? 'open' : access.within.of;
  const isFor = of === 'project' || of === 'operation' ? of : undefined;
  const isNamed = about === undefined || path.split('/')[3] === '{id}';
  if (about === isFor && about === takes && isNamed) return null;
  return `${method} ${path} is about ${about ?? 'no project or operation'}, says that it is for ${of}, and takes ${takes ?? 'none'}.`;
}
