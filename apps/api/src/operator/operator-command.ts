import 'reflect-metadata';
import { createLogger, tellFailure, type Logger } from '@buckets/service';
import { defineSettings, readSettings, type SettingsOf } from '@buckets/settings';
import { PlatformKeys } from '@buckets/vault';
import type { DataSource } from 'typeorm';
import { apiSettings } from '../settings.js';
import { openDatabase } from '../wiring/database.js';

const { natsUrl, natsCredsFile, natsReplicas, logBytes, postgresUrl, platformKey, logLevel } = apiSettings;
const operatorSettings = defineSettings({
  ...{ natsUrl, natsCredsFile, natsReplicas, logBytes },
  ...{ postgresUrl, platformKey, logLevel },
});

export interface Operator {
  settings: SettingsOf<typeof operatorSettings>;
  data: DataSource;
  platformKeys: PlatformKeys;
  log: Logger;
}

/** A rebuild needs one connection to lead with, one to listen, and one to write. */
const CONNECTIONS = 4;

/**
 * Runs what an operator does by hand with the API's own settings, and exits: 0 when it was done, 1 when it failed, with a
 * sentence that says why.
 */
export async function operatorCommand(name: string, work: (operator: Operator) => Promise<void>): Promise<void> {
  let log = createLogger(`api-${name}`);
  try {
    const settings = readSettings(operatorSettings);
    log = createLogger(`api-${name}`, { level: settings.logLevel });
    const platformKeys = new PlatformKeys(settings.platformKey.reveal());
    const url = settings.postgresUrl.reveal();
    const data = await openDatabase(url, CONNECTIONS, { name: `buckets-api-${name}`, patient: true });
    try {
      await work({ settings, data, platformKeys, log });
    } finally {
      await data.destroy();
    }
  } catch (error) {
    tellFailure(error, log);
    process.exitCode = 1;
  }
}
