import type { Decider } from '../decisions/decider.js';
import type { AdmittedProject } from './admission.js';
import type { CalledRequest } from './caller.js';
import type { Tokens } from './tokens.js';

/** For what takes long and is decided nowhere: asks again, right before it has its effect or shows more. */
export class StillAdmitted {
  constructor(
    private readonly tokens: Pick<Tokens, 'callerOf'>,
    private readonly decider: Pick<Decider, 'currentStateOf'>,
  ) {}

  /** @throws {Problem} what whoever sends the request would be told if they came with it now */
  async check({ headers }: Pick<CalledRequest, 'headers'>, project: Pick<AdmittedProject, 'id' | 'by'>): Promise<void> {
    await this.tokens.callerOf(headers.authorization);
    const { id, by } = project;
    if (by === undefined || by.isLasting) return;
    by.mustHold(await this.decider.currentStateOf('project', id));
  }
}
