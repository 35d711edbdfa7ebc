import { beforeEach, describe, expect, it } from '@jest/globals';
import { ClockWatch } from './clock-watch.js';

let wall: number;
let steady: number;
let watch: ClockWatch;

beforeEach(() => {
  wall = 1_000_000;
  steady = 500.25;
  watch = new ClockWatch(
    () => Math.floor(wall),
    () => steady,
  );
});

function pass(ms: number): void {
  wall += ms;
  steady += ms;
}

describe('the watch of the clock', () => {
  it('is content with a clock that goes on, whatever it leaves off of a millisecond', () => {
    const began = steady;
    for (let i = 0; i < 1_000; i++) {
      pass(0.3);
      watch.look();
    }
    expect(watch.wasSetBackSince(began)).toBe(false);
  });

  it('is content with a clock that is set forward, as after a sleep of the machine', () => {
    const began = steady;
    wall += 86_400_000;
    expect(watch.wasSetBackSince(began)).toBe(false);
  });

  it('notices a clock that is set back, for all that began before', () => {
    const before = steady;
    pass(10);
    wall -= 50;
    expect(watch.wasSetBackSince(before)).toBe(true);
    pass(10);
    expect([before, steady].map((moment) => watch.wasSetBackSince(moment))).toEqual([true, false]);
  });

  it('notices that it was set back and put right again, if it has looked in between', () => {
    const before = steady;
    wall -= 86_400_000;
    pass(1_000);
    watch.look();
    wall += 86_400_000;
    pass(1_000);
    expect(watch.wasSetBackSince(before)).toBe(true);
  });
});
