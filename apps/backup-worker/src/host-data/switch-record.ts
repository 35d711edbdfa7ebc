import { ROOT_NAMES } from './host-folders.js';
import type { RootName } from './host-folders.js';
import { isProvisionedRecord } from './provisioned-record.js';
import type { ProvisionedRecord } from './provisioned-record.js';
import type { RootIdentity } from './roots.js';

/**
 * Says that a swap has begun. From the moment it is on disk the swap is only ever finished, never taken back; which
 * steps are left shows in which folder stands where, so there is no progress to keep in it.
 */
export interface SwitchRecord {
  version: 1;
  operationId: string;
  projectId: string;
  /** Which staged roots take their place; their identities are in `provisioned`. */
  roots: RootName[];
  /** Their permission bits: a folder that its owner may not write to is opened to be moved. */
  modes?: Partial<Record<RootName, number>>;
  /** The recorded roots whose place they take; with anything else that stands there by then, nobody has agreed to part. */
  replaces?: Record<RootName, RootIdentity>;
  /** The record that holds as soon as they have. */
  provisioned: ProvisionedRecord & Required<Pick<ProvisionedRecord, 'restore'>>;
}

export function isSwitchRecord(value: unknown, projectId: string): value is SwitchRecord {
  const record = value as Partial<SwitchRecord> | null | undefined;
  return (
    typeof record === 'object' &&
    record?.version === 1 &&
    record.projectId === projectId &&
    typeof record.operationId === 'string' &&
    Array.isArray(record.roots) &&
    record.roots.every((root) => ROOT_NAMES.includes(root)) &&
    isProvisionedRecord(record.provisioned, projectId) &&
    record.provisioned.restore?.operationId === record.operationId
  );
}
