import { isAlive } from '../prepare/lock.mjs';
import { stackSettings } from './stack-settings.js';
import { supervisorOf, SupervisorRecord } from './supervisor-record.js';
import { NotInTime, until } from '@buckets/patience';

/** Longer than all that the supervisor itself allows its processes for stopping. */
const STOP_WITHIN_MS = 60_000;

/** `npm stop`: asks the supervisor to stop everything, and returns when nothing is left. */
async function stop(): Promise<void> {
  const { dataDir } = stackSettings();
  const supervisor = supervisorOf(dataDir);
  if (supervisor !== undefined) {
    console.log('Stopping Buckets (usually 2 to 5 seconds) …');
    process.kill(supervisor.pid, 'SIGTERM');
    try {
      await until(() => !isAlive(supervisor), { withinMs: STOP_WITHIN_MS });
    } catch (error) {
      if (!(error instanceof NotInTime)) throw error;
      console.log(`It did not stop within ${STOP_WITHIN_MS / 1000} s, so it is ended.`);
      process.kill(supervisor.pid, 'SIGKILL');
      await until(() => !isAlive(supervisor));
    }
  }
  // A supervisor that was killed leaves its processes to end by themselves: claiming its place waits for that.
  await SupervisorRecord.releaseWhatIsLeft(dataDir);
  console.log(supervisor === undefined ? 'Buckets is not running.' : 'Buckets has stopped.');
}

await stop();
