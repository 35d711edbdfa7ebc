export function isPythonFrom(version: readonly number[]): boolean;
