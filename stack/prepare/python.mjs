import { spawnSync } from 'node:child_process';

let version;
/** Of the python3 on PATH: `[3, 11]`; empty without one. */
export function pythonVersion() {
  version ??=
    (spawnSync('python3', ['-V'], { encoding: 'utf8' }).stdout ?? '').match(/\d+/g)?.slice(0, 2).map(Number) ?? [];
  return version;
}

export function isPythonFrom([major, minor]) {
  const [ours = 0, oursMinor = 0] = pythonVersion();
  return ours === major && oursMinor >= minor;
}

let pip;
export function hasPip() {
  pip ??= spawnSync('python3', ['-m', 'pip', '--version'], { stdio: 'ignore' }).status === 0;
  return pip;
}

/** Runs a program of Python by what stands beside it, and writes nothing beside what it reads. */
export const LAUNCHER = `#!/bin/sh
exec python3 -IB -c 'import sys; sys.path.insert(0, sys.argv.pop(1)); from NAME.cli import NAME; NAME()' "$(dirname "$(readlink -f "$0")")/../site" "$@"
`;
