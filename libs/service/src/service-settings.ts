import { choice, defineSettings, duration, port, string } from '@buckets/settings';
import { LOG_LEVELS } from './logs/logger.js';

/** The settings that every service has. */
export const serviceSettings = defineSettings({
  httpHost: string('BUCKETS_HTTP_HOST', {
    default: '127.0.0.1',
    describe: 'Address that the HTTP server listens on; 0.0.0.0 for all of the machine',
  }),
  httpPort: port('BUCKETS_HTTP_PORT', {
    default: 0,
    describe: 'Port that the HTTP server listens on; 0 takes a free one, which the log names',
  }),
  logLevel: choice('BUCKETS_LOG_LEVEL', LOG_LEVELS, { default: 'info', describe: 'The least that is logged' }),
  stopDeadlineMs: duration('BUCKETS_STOP_DEADLINE', {
    default: '20s',
    min: '1s',
    describe: 'How long a stop waits for what is under way before it cuts it off',
  }),
});
