import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../stack/src/index.js';
import type { Fault, Victim } from './plan.js';
import type { ProductUnderFaults } from './product-under-faults.js';

/** How long to wait for a process to show up whose turn it is. */
const VICTIM_WITHIN_MS = 2_000;

/** Does harm, and ends it where it lasts. @returns whether there was anything to harm */
export async function inflict(fault: Fault, on: ProductUnderFaults): Promise<boolean> {
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
      const free = await on.smallDisk?.fill();
      await pause(fault.forMs);
      await free?.();
      return free !== undefined;
    }
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
