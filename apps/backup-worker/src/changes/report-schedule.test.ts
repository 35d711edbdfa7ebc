import { expect, it } from '@jest/globals';
import { ReportSchedule } from './report-schedule.js';

it('what is no news is reported when so much time has passed since the last report, once', () => {
  const schedule = new ReportSchedule(100);
  expect([schedule.isDue(109, 10), schedule.isDue(110, 10)]).toEqual([false, true]);
  schedule.reported(110);
  expect(schedule.isDue(1_000, 10)).toBe(false);
  schedule.owe();
  schedule.owe();
  expect([schedule.isDue(119, 10), schedule.isDue(120, 10)]).toEqual([false, true]);
});
