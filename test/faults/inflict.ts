import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../stack/src/index.js';
import { US } from '../running/product.js';
import { PROJECTS, type Fault, type Victim } from './plan.js';
import type { ProductUnderFaults } from './product-under-faults.js';
import { whileAtWork } from './tenant.js';

/** How long to wait for a process to show up whose turn it is. */
const VICTIM_WITHIN_MS = 2_000;

/** A tenant is at work until so many backups have read meanwhile, and so many times as long as it should at most. */
const READS_MEANWHILE = 2;
const TIMES_AT_WORK = 6;

/**
 * Does harm, and ends it where it lasts.
 *
 * @param readsSince how many backups of a project have begun since that moment, and have ended
 * @returns whether there was anything to harm
 */
export async function inflict(
  fault: Fault,
  on: ProductUnderFaults,
  readsSince: (projectId: string, since: number) => Promise<number> = () => Promise.resolve(READS_MEANWHILE),
): Promise<boolean> {
  switch (fault.fault) {
    case 'kill':
      return (await signal(fault.what, 'SIGKILL', on)).length > 0;
    case 'freeze': {
      const frozen = await signal(fault.what, 'SIGSTOP', on);
      await pause(fault.forMs);
      for (const pid of frozen) send(pid, 'SIGCONT');
      return frozen.length > 0;
    }
    case 'cut':
      return on.proxies[fault.before].cut() > 0;
    case 'refuse':
    case 'delay':
    case 'truncate':
    case 'unavailable': {
      const proxy = on.proxies[fault.before];
      proxy.set(
        fault.fault === 'delay'
          ? { mode: 'delay', ms: fault.ms }
          : fault.fault === 'truncate'
            ? { mode: 'truncate', afterBytes: fault.afterBytes }
            : { mode: fault.fault },
      );
      // New connections are refused to those who need one.
      if (fault.fault === 'refuse') proxy.cut();
      await pause(fault.forMs);
      proxy.set({ mode: 'pass' });
      return true;
    }
    case 'disk-full': {
      const disk = on.disks[US];
      const free = await disk.use(async () => on.smallDisk?.fill());
      await pause(fault.forMs);
      await disk.use(async () => free?.());
      return free !== undefined;
    }
    case 'tenant': {
      const { product } = on;
      const { id, hostId } = PROJECTS.find((project) => project.id === fault.project)!;
      const other = PROJECTS.find((project) => project.hostId === hostId && project.id !== id)!;
      const targets = {
        file: join(product.folder(other.id, hostId), 'persist', 'secret'),
        folder: on.secretsOf(hostId),
      };
      let reads = 0;
      await whileAtWork(fault.doing, product.folder(id, hostId), targets, async () => {
        const since = Date.now();
        for (let times = 0; reads < READS_MEANWHILE && times < TIMES_AT_WORK; times++) {
          await pause(fault.forMs);
          reads = await readsSince(id, since);
        }
      });
      return reads > 0;
    }
    case 'wrong-clock': {
      const isSet = await on.setClock(fault.hostId, fault.aheadSeconds);
      await pause(fault.forMs);
      await on.setClock(fault.hostId);
      return isSet;
    }
    case 'data-root-away':
      await on.takeDataRootAway(fault.hostId, fault.forMs);
      return true;
  }
}

async function signal(victim: Victim, name: NodeJS.Signals, on: ProductUnderFaults): Promise<number[]> {
  const look = async () => {
    const pids = await on.pidsOf(victim);
    return pids.length > 0 ? pids : undefined;
  };
  const pids = await until(look, { withinMs: VICTIM_WITHIN_MS }).catch(() => []);
  // The first is the one that has started the others.
  const meant = name === 'SIGKILL' ? pids.slice(0, 1) : pids;
  return meant.filter((pid) => send(pid, name));
}

function send(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
