import { statfs } from 'node:fs/promises';
import { newId } from '@buckets/contracts';
import type { Logger } from '@buckets/service';
import type { ControlPlane } from './control-plane/control-plane.js';
import type { ReportNumbers } from './control-plane/report-numbers.js';
import type { DataRoot } from './data-root/data-root.js';
import type { LocalProjects } from './local-projects/local-projects.js';
import type { Operations } from './operations/operations.js';
import { VERSION } from './repository/snapshot-description.js';

/** Changes when the process does: what an earlier one reported tells nothing of what happened after its end. */
export const INCARNATION = newId();

/** The host's signs of life. */
export class Heartbeat {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly everyMs: number,
    private readonly folder: string,
    private readonly dataRoot: Pick<DataRoot, 'problem'>,
    private readonly controlPlane: ControlPlane,
    private readonly reports: Pick<ReportNumbers, 'sum' | 'from'>,
    private readonly projects: LocalProjects,
    private readonly operations: Operations,
    private readonly log: Logger,
  ) {}

  begin(): void {
    const beat = () => void this.beat().catch((error: unknown) => this.log.warn({ error }, 'No sign of life was sent'));
    beat();
    this.timer = setInterval(beat, this.everyMs);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private async beat(): Promise<void> {
    const { problem } = this.dataRoot;
    // Whatever else stands in its place has nothing to do with the room of this host.
    const freeBytes = problem === undefined ? await freeBytesOf(this.folder) : 0;
    this.controlPlane.activity({
      name: 'host',
      data: {
        at: Date.now(),
        version: VERSION,
        incarnation: INCARNATION,
        projects: this.projects.count,
        runningOperations: this.operations.doing.running,
        freeBytes,
        dataRoot: problem?.state ?? 'here',
        projectsInTrouble: this.projects.inTrouble.length,
        reported: this.reports.sum,
        reportedFrom: this.reports.from,
      },
    });
  }
}

/** 0 where it cannot be told: a sign of life is not kept back for it. */
function freeBytesOf(folder: string): Promise<number> {
  return statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
}
