import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { accessFileIn, type Access } from './access.js';
import { printLine, printNote } from './printed-log.js';
import { startStack } from './stack.js';
import { foreignDataSetting, stackSettings } from './stack-settings.js';
import { AlreadyRunning, supervisorOf } from './supervisor-record.js';

/** `npm start`: the whole stack, in the foreground until Ctrl-C, `npm stop` or the end of whoever has started it. */
async function start(): Promise<void> {
  const settings = { ...stackSettings(), ...foreignDataSetting() };
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ending.abort());
  process.once('disconnect', () => ending.abort());

  const startedAt = performance.now();
  const log = { line: printLine, note: printNote };
  if (supervisorOf(settings.dataDir) === undefined) printNote('stack', 'starting (usually 5 to 10 seconds) …');
  const stack = await startStack({ ...settings, usualPorts: true, log, signal: ending.signal });
  console.log(`\nBuckets is ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  await printAddresses(settings.dataDir);

  await new Promise((resolve) => {
    ending.signal.addEventListener('abort', resolve);
    if (ending.signal.aborted) resolve(undefined);
  });
  printNote('stack', 'stopping …');
  await stack.stop();
  printNote('stack', 'stopped');
}

async function printAddresses(dataDir: string): Promise<void> {
  const file = accessFileIn(dataDir);
  const access = JSON.parse(await readFile(file, 'utf8')) as Access;
  console.log(`
  API           ${access.apiUrl}   (its description: ${access.apiUrl}/docs)
  Share links   ${access.shareUrl}
  NATS          ${access.natsUrl}
  S3            ${access.s3.endpoint}
  Hosts         ${access.hosts.map(({ hostId }) => hostId).join(', ')}

  Tokens, passwords and process numbers are in ${relative(process.cwd(), file)}.
  To stop: Ctrl-C, or npm stop. To start anew: delete ${relative(process.cwd(), dataDir)} while it is stopped.
`);
}

async function tellFailure(error: unknown): Promise<void> {
  if ((error as Error).name === 'AbortError') return;
  if (error instanceof AlreadyRunning) {
    console.log(error.message);
    await printAddresses(error.dataDir).catch(() => console.log('It is not ready yet.'));
    return;
  }
  console.error(error instanceof Error && 'code' in error ? error.message : error);
  process.exitCode = 1;
}

try {
  await start();
} catch (error) {
  await tellFailure(error);
} finally {
  process.disconnect?.();
}
