import type { DataSource } from 'typeorm';

/** A project whose repository is to be looked at. */
export interface DueVerification {
  projectId: string;
  /** The same for every copy of the scheduler and however often it asks, until a verification has ended. */
  key: string;
}

/** Which projects are due. */
export interface VerificationsWanted {
  /** Milliseconds since 1970. */
  now: number;
  /** Between two looks at one repository. */
  intervalMs: number;
  /** The projects that are not to be asked about now: the next one of their host is. */
  except: readonly string[];
  limit: number;
}

/** Reads from the tables whose repositories nobody has looked at for long. */
export class VerificationTables {
  constructor(private readonly data: DataSource) {}

  /**
   * The projects that were last looked at longer ago than the interval; first those whose last verification ended longest
   * ago, by the log, even if it came to nothing. Of each host one, and none of a host that has one under way: so they take
   * turns, and neither a host that is away nor a repository that cannot be looked at keeps others waiting.
   *
   * A look that is further ahead than the interval was stated by a clock that was wrong, and counts for none: a clock puts
   * a look off for one interval at most.
   */
  async due({ now, intervalMs, except, limit }: VerificationsWanted): Promise<DueVerification[]> {
    const [before, ahead] = [new Date(now - intervalMs), new Date(now + intervalMs)];
    const rows = await this.data.query<Row[]>(DUE, [before, ahead, except, limit]);
    return rows.map(({ id, verified_at, last_verify_position: last }) => ({
      projectId: id,
      key: [id, 'verify', verified_at.getTime(), ...(last === null ? [] : [last])].join('/'),
    }));
  }
}

interface Row {
  id: string;
  verified_at: Date;
  last_verify_position: string | null;
}

const DUE = `
  SELECT * FROM (
    SELECT DISTINCT ON (host_id) id, verified_at, last_verify_position FROM scheduler.project AS project
     WHERE (verified_at <= $1 OR verified_at > $2) AND host_id IS NOT NULL AND id <> ALL ($3::text[])
       AND NOT EXISTS (SELECT 1 FROM scheduler.operation
                        WHERE kind = 'verify' AND NOT ended
                          AND (host_id = project.host_id OR project_id = project.id))
     ORDER BY host_id, last_verify_position NULLS FIRST, verified_at, id) AS due
   ORDER BY last_verify_position NULLS FIRST, verified_at, id LIMIT $4`;
