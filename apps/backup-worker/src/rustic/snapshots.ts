/** A snapshot as the repository holds it. */
export interface Snapshot {
  /** 64 hexadecimal digits. */
  id: string;
  /** When the backup began, RFC 3339. */
  time: string;
  tree: string;
  hostname: string;
  label: string;
  tags: string[];
  paths: string[];
  description?: string;
  parent?: string;
  files?: number;
  folders?: number;
  bytes?: number;
}

export function snapshotsArguments(tag: string | undefined): string[] {
  return ['snapshots', '--json', '--group-by=', ...(tag === undefined ? [] : [`--filter-tags=${tag}`])];
}

/** @throws SyntaxError, TypeError when it is not what rustic 0.11 writes */
export function readSnapshots(json: string): Snapshot[] {
  const list = JSON.parse(json) as Record<string, unknown>[] | { snapshots: Record<string, unknown>[] }[];
  return list
    .flatMap((entry) => ('snapshots' in entry ? (entry.snapshots as Record<string, unknown>[]) : [entry]))
    .map(readSnapshot);
}

function readSnapshot(entry: Record<string, unknown>): Snapshot {
  const { id, time, tree } = entry;
  if (typeof id !== 'string' || typeof time !== 'string' || typeof tree !== 'string') {
    throw new TypeError('A listed snapshot has no id, time or tree.');
  }
  const summary = (entry['summary'] ?? {}) as Record<string, number | undefined>;
  return {
    id,
    time,
    tree,
    hostname: String(entry['hostname'] ?? ''),
    label: String(entry['label'] ?? ''),
    tags: (entry['tags'] as string[] | undefined) ?? [],
    paths: (entry['paths'] as string[] | undefined) ?? [],
    description: entry['description'] as string | undefined,
    parent: entry['parent'] as string | undefined,
    files: summary['total_files_processed'],
    folders: summary['total_dirs_processed'],
    bytes: summary['total_bytes_processed'],
  };
}
