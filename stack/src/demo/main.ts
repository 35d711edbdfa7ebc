import { once } from 'node:events';
import { relative } from 'node:path';
import { styleText } from 'node:util';
import { HOSTS, REGIONS } from '../places.js';
import { stackSettings } from '../stack-settings.js';
import { Demo } from './demo.js';
import { forPeople, givenFolder, UnusableFolder } from './given-folder.js';
import { durationText } from './quantities.js';
import { Screen, wrapped } from './screen.js';
import { stackToUse, type StackInUse } from './stack-to-use.js';

const STEPS = 8;

/** The command was not understood. */
class Usage extends Error {
  readonly code = 'usage';
  override message =
    'Say npm run demo for sample data, or npm run demo FOLDER for a copy of one folder (in quotes, if its name has spaces).';
}

/**
 * `npm run demo [FOLDER]`: takes a project through the main job of Buckets, and proves that nothing is lost.
 *
 * @returns the exit code
 */
async function main(args: readonly string[], ending: AbortSignal): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(new Usage().message);
    return 0;
  }
  const folder = await folderIn(args);
  const screen = new Screen(process.stdout, STEPS);
  const began = performance.now();
  screen.title('Buckets: a project is backed up, vanishes, and comes back.');
  const stack = await bringUp(screen, ending);
  let demo: Demo | undefined;
  let exitCode = 0;
  try {
    demo = new Demo(stack, screen, ending);
    // What is under way when it is interrupted is left where it is.
    await Promise.race([demo.run(folder), once(ending, 'abort').then(() => ending.throwIfAborted())]);
    screen.title(`Nothing was lost. All of it took ${durationText(performance.now() - began)}.`);
  } catch (error) {
    screen.end();
    exitCode = tell(error, ending);
  }
  tellWhatIsLeft(stack, demo, ending);
  await stack.leave();
  return exitCode;
}

async function folderIn(args: readonly string[]): Promise<string | undefined> {
  const [named, ...more] = args;
  if (named === undefined) return undefined;
  if (more.length > 0 || named === '' || named.startsWith('-')) throw new Usage();
  // npm and the set-up run in the clone; this is where the command was given.
  const { INIT_CWD, PWD = process.cwd() } = process.env;
  return givenFolder(named, INIT_CWD ?? PWD, stackSettings().dataDir);
}

async function bringUp(screen: Screen, ending: AbortSignal): Promise<StackInUse> {
  const began = performance.now();
  screen.step('Buckets');
  const stack = await screen.while(
    (elapsed) => `starting (usually 5 to 10 s): ${durationText(elapsed)}`,
    () => stackToUse((note) => screen.line(note, 'yellow'), ending),
  );
  screen.line(
    stack.isOwn
      ? `Started for this demo in ${durationText(performance.now() - began)}: NATS, Postgres, S3, API, scheduler, share server, two backup workers.`
      : `The one that runs here is used: ${stack.access.apiUrl}`,
  );
  const places = HOSTS.map(({ hostId, regionId }) => `${hostId} in ${REGIONS.find(({ id }) => id === regionId)?.name}`);
  screen.line(`The hosts are ${places.join(' and ')}.`);
  return stack;
}

function tell(error: unknown, ending: AbortSignal): number {
  if (ending.aborted) {
    console.error('\nInterrupted.');
    return 130;
  }
  if (error instanceof Usage || error instanceof UnusableFolder) {
    console.error(error.message);
    return 1;
  }
  const isForPeople = error instanceof Error && 'code' in error;
  const text = isForPeople ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.error(`\n${styleText('red', 'The demo has failed.', { stream: process.stderr })} ${text}`);
  return 1;
}

function tellWhatIsLeft({ isOwn, logFile }: StackInUse, demo: Demo | undefined, ending: AbortSignal): void {
  const shown = (path: string) => forPeople(relative(process.cwd(), path) || path);
  const { isMade, underWay } = demo ?? {};
  const lines = [
    isMade ? `The project ${demo!.projectId} stays in Buckets. Its files are in ${shown(demo!.projectFolder)}.` : '',
    underWay === undefined || !ending.aborted
      ? ''
      : `Its ${underWay} goes on${isOwn ? ' when Buckets is started again' : ''}.`,
    isOwn
      ? `Buckets is being stopped. Its output is in ${shown(logFile!)}.`
      : 'Buckets goes on running. To stop it: npm stop',
    isOwn ? 'To start it with all that it has: npm start' : '',
    `To remove all that it keeps: delete ${shown(stackSettings().dataDir)} while it is stopped.`,
  ];
  const width = Math.min(process.stdout.columns || 100, 100);
  console.log(
    `\n${lines
      .filter(Boolean)
      .flatMap((line) => wrapped(line, width))
      .join('\n')}`,
  );
}

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ending.abort());
// Whoever has started it is gone; or nobody reads on.
process.once('disconnect', () => ending.abort());
process.stdout.on('error', () => ending.abort());

// Not just the exit code: work that was interrupted may still be going on.
process.exit(await main(process.argv.slice(2), ending.signal).catch((error: unknown) => tell(error, ending.signal)));
