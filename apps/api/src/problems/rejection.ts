import { Problem } from '@buckets/service';

/** A command that cannot be carried out as things stand. Changes nothing. */
export class Rejection extends Problem {
  /** A stable code for programs, a sentence for people that helps, and the HTTP status that fits. */
  constructor(code: string, detail: string, status: number, extra?: Record<string, unknown>) {
    super({ code, detail, status, ...(extra === undefined ? {} : { extra }) });
  }
}
