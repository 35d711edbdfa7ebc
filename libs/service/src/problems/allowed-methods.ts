import type { Application } from 'express';

/** The methods that some route takes at this path, in capitals; none when no route takes the path. */
export function allowedMethods(app: Application, path: string): readonly string[] {
  const layers = (app as unknown as { router: { stack: readonly Layer[] } }).router.stack;
  const methods = layers
    .filter((layer) => layer.route !== undefined && layer.match(path))
    .flatMap((layer) => Object.keys(layer.route?.methods ?? {}));
  return [...new Set(methods)].map((method) => method.toUpperCase()).sort();
}

interface Layer {
  readonly route?: { readonly methods: Record<string, boolean> };
  readonly match: (path: string) => boolean;
}
