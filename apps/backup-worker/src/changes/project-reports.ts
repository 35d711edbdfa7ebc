import type { ChangeReport } from '@buckets/contracts';
import type { TrackedProject } from './tracked-project.js';

export interface ProjectReportsOptions {
  /** Called with what is to be reported now; it must not throw. */
  report: (projectId: string, report: ChangeReport) => void;
  /** Between two reports of a project whose changes are no news. */
  reportEveryMs: number;
  /** All projects are reported again. */
  reportAllEveryMs: number;
  /** Between two scans of the project. */
  lookEveryMs: (project: TrackedProject) => number;
}

/** Reports what is known of the changes of projects: news at once, all else in its time. */
export class ProjectReports {
  #allReportedAt = performance.now();

  constructor(private readonly options: ProjectReportsOptions) {}

  /** What is known of a project now. */
  of(project: TrackedProject): ChangeReport {
    const { ledger, watch, running, scannedAt, lookedAt } = project;
    return {
      ...ledger.report({ at: Date.now(), watched: watch.watched, running, scannedAt }),
      ...(lookedAt === undefined ? {} : { lookedMs: Math.ceil(performance.now() - lookedAt) }),
      lookEveryMs: this.options.lookEveryMs(project),
    };
  }

  report(project: TrackedProject): void {
    if (project.swapping) return;
    project.reports.reported(performance.now());
    this.options.report(project.projectId, this.of(project));
  }

  reportAll(projects: Iterable<TrackedProject>): void {
    this.#allReportedAt = performance.now();
    for (const project of projects) this.report(project);
  }

  /** Reports what is due. */
  tick(projects: ReadonlyMap<string, TrackedProject>, now: number): void {
    const { reportEveryMs, reportAllEveryMs } = this.options;
    for (const project of projects.values()) if (project.reports.isDue(now, reportEveryMs)) this.report(project);
    if (now - this.#allReportedAt >= reportAllEveryMs) this.reportAll(projects.values());
  }
}
