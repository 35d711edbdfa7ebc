import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { compareTrees, differenceText, removeTree, type TreeDescription } from '@buckets/trees';
import { HOSTS, REGIONS } from '../fleet.js';
import { Api, type Backup, type Freshness, type Operation } from './api.js';
import { changeSomeFiles } from './change-some-files.js';
import { bytesOnDisk, described, extentText } from './described.js';
import { fillFromFolder, fillWithSamples } from './fill-project.js';
import { forPeople } from './given-folder.js';
import { progressLine, type Progress } from './progress.js';
import { bytesText, clockText, countText, durationText } from './quantities.js';
import type { Screen } from './screen.js';
import type { StackInUse } from './stack-to-use.js';
import { savingText, table, type Row } from './summary.js';

/** What the restore has brought back is not what was there. */
export class NotTheSame extends Error {
  readonly code = 'not-the-same';
}

/** A project did not get the freshness that it had to get. */
export class NotFresh extends Error {
  readonly code = 'freshness-not-reached';
}

export const STEPS = 8;

/** Longer than a worker takes to look through a folder that it cannot watch. */
const FRESHNESS_WITHIN_MS = 7 * 60_000;
const LOOK_MS = 50;
const CHANGES_SEED = 7;
const SHOWN_DIFFERENCES = 10;
````;
