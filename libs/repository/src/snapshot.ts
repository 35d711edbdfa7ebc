import { asId, asList, asObject, asText, optional } from './json-fields.js';
import type { JsonObject } from './json-fields.js';
import { asTimestamp } from './timestamp.js';

/** One backup, as rustic or restic wrote it down. */
export interface Snapshot {
  /** SHA-256 of the stored object, 64 hex digits. */
  id: string;
  /** When the backup began, as written, with the writer's offset from UTC. */
  time: string;
  /** The same in nanoseconds since 1970. */
  timeNs: bigint;
  /** Id of the tree with the roots of the backup. */
  tree: string;
  hostname: string;
  username: string;
  label: string;
  tags: readonly string[];
  paths: readonly string[];
  description: string | undefined;
  programVersion: string | undefined;
  /** The snapshot that this one was compared with when it was made. */
  parent: string | undefined;
  /** The first id of a snapshot that was changed afterwards (its tags, say), which gave it a new id. */
  original: string | undefined;
  /** What the backup did, in rustic's own words and units (`files_new`, `total_bytes_processed`, `backup_start`, …). */
  summary: Readonly<Record<string, unknown>> | undefined;
}

/** @throws Malformed when it is not a snapshot */
export function parseSnapshot(id: string, document: unknown): Snapshot {
  const json: JsonObject = asObject(document, 'snapshot');
  return {
    id,
    time: asText(json['time'], 'time'),
    timeNs: asTimestamp(json['time'], 'time'),
    tree: asId(json['tree'], 'tree'),
    hostname: optional(asText, json['hostname'], 'hostname') ?? '',
    username: optional(asText, json['username'], 'username') ?? '',
    label: optional(asText, json['label'], 'label') ?? '',
    tags: asList(json['tags'], 'tags').map((tag) => asText(tag, 'tag')),
    paths: asList(json['paths'], 'paths').map((path) => asText(path, 'path')),
    description: optional(asText, json['description'], 'description'),
    programVersion: optional(asText, json['program_version'], 'program_version'),
    parent: optional(asId, json['parent'], 'parent'),
    original: optional(asId, json['original'], 'original'),
    summary: optional(asObject, json['summary'], 'summary'),
  };
}

/** The newest first, by the moment the backup began. */
export function newestFirst(a: Snapshot, b: Snapshot): number {
  if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}
