import { TestEnvironment } from 'jest-environment-node';

/** Node.js for tests, whose limits are multiplied by the machine's patience, as their waits are. */
export default class PatientEnvironment extends TestEnvironment {
  #times = Number(process.env.BUCKETS_PATIENCE || 1);
  /** Hooks run many times. */
  #known = new WeakSet();

  handleTestEvent({ name, test, hook }, state) {
    if (name === 'run_start') state.testTimeout *= this.#times;
    if (name === 'test_start') this.#extend(test);
    if (name === 'hook_start') this.#extend(hook);
  }

  #extend(limited) {
    if (limited.timeout === undefined || this.#known.has(limited)) return;
    this.#known.add(limited);
    limited.timeout *= this.#times;
  }
}
