import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { accessFileIn, type Access } from './access.js';
import { printLine, printNote } from './printed-log.js';
import { inWords } from './processes/supervised.js';
import { startStack, type Unready } from './stack.js';
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
  const stack = await startStack({ ...settings, usualPorts: true, mayWait: true, log, signal: ending.signal });
  try {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const unready = await stack.unready();
    console.log(`\nBuckets is ${unready.length === 0 ? 'ready' : 'up, but NOT READY,'} after ${seconds} s.`);
    await printAddresses(settings.dataDir, 'Ctrl-C, or npm stop');
    if (unready.length > 0) {
      await stack.whenReady(printWhatIsLacking, ending.signal);
      printNote('stack', 'Buckets is ready now.');
    }
    if (!ending.signal.aborted) await once(ending.signal, 'abort');
  } finally {
    printNote('stack', 'stopping …');
    await stack.stop();
    printNote('stack', 'stopped');
  }
}

/** What an operator has to do; all that works without goes on meanwhile. */
function printWhatIsLacking(unready: readonly Unready[]): void {
  for (const { service, failing } of unready) {
    printNote(service, 'is not ready. What it lacks:');
    for (const each of failing) printNote(service, inWords(each));
  }
  printNote('stack', 'What works without that goes on. The rest goes on by itself when it is done.');
}

async function printAddresses(dataDir: string, toStop: string): Promise<void> {
  const file = accessFileIn(dataDir);
  const access = JSON.parse(await readFile(file, 'utf8')) as Access;
  console.log(`
  API           ${access.apiUrl}   (its description: ${access.apiUrl}/docs)
  Share links   ${access.shareUrl}
  NATS          ${access.natsUrl}
  S3            ${access.s3.endpoint}
  Hosts         ${access.hosts.map(({ hostId }) => hostId).join(', ')}

  Tokens, passwords and process numbers are in ${relative(process.cwd(), file)}.
  To stop: ${toStop}. To start anew: delete ${relative(process.cwd(), dataDir)} while it is stopped.
`);
}

async function tellFailure(error: unknown): Promise<void> {
  if ((error as Error).name === 'AbortError') return;
  if (error instanceof AlreadyRunning) {
    console.log(error.message);
    await printAddresses(error.dataDir, 'npm stop').catch(() => console.log('It is not ready yet.'));
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
