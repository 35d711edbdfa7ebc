import { runService } from '@buckets/service';
import { SchedulerModule } from './scheduler.module.js';
import { schedulerSettings } from './settings.js';

await runService({
  name: 'scheduler',
  settings: schedulerSettings,
  module: (settings) => SchedulerModule.with(settings),
});
