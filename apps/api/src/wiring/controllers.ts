import type { Type } from '@nestjs/common';

/** The controllers of a module and of all that it imports, by what is written on them: nothing is started. */
export function controllersOf(module: Type): Type[] {
  return [...modulesOf(module)].flatMap((each) => metadata('controllers', each));
}

function modulesOf(module: Type, known = new Set<Type>()): Set<Type> {
  if (known.has(module)) return known;
  known.add(module);
  for (const imported of metadata('imports', module)) modulesOf(imported, known);
  return known;
}

function metadata(key: string, of: Type): Type[] {
  return (Reflect.getMetadata(key, of) ?? []) as Type[];
}
