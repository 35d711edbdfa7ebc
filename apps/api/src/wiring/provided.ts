import type { FactoryProvider, InjectionToken, Type } from '@nestjs/common';

/** A provider of a class that knows nothing of Nest: what its constructor takes, in order. */
export function provided<T>(type: Type<T>, ...inject: InjectionToken[]): FactoryProvider<T> {
  return { provide: type, useFactory: (...parts: unknown[]) => new type(...parts), inject };
}
