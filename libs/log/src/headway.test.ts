import { describe, expect, it } from '@jest/globals';
import { Headway, NoHeadway } from './headway.js';

describe('a part', () => {
  let now = 0;
  const part = () => {
    now = 0;
    return new Headway('The reading of claims', 1_000, () => now);
  };

  it('that has nothing to do, or gets on with it, makes headway', () => {
    const headway = part();
    now = 1e9;
    headway.check();
    for (let each = 0; each < 10; each++) {
      const end = headway.begin();
      headway.failed();
      now += 900;
      headway.check();
      end();
      headway.gotOn();
    }
    headway.check();
  });

  it('makes none when something does not end', () => {
    const headway = part();
    const end = headway.begin();
    now = 500;
    headway.begin()();
    now = 1_000;
    headway.check();
    now = 1_001;
    expect(() => headway.check()).toThrow(NoHeadway);
    expect(() => headway.check()).toThrow('The reading of claims has got nowhere for 1 s');
    end();
    headway.check();
  });

  it('makes none when it fails over and over, until something is done', () => {
    const headway = part();
    for (; now <= 1_001; now += 91) headway.failed();
    expect(() => headway.check()).toThrow(NoHeadway);
    headway.gotOn();
    headway.check();
    headway.failed();
    headway.check();
  });

  it('is well again when what failed does not come back: another copy has done it', () => {
    const headway = part();
    for (; now <= 1_001; now += 91) headway.failed();
    now += 1_001;
    headway.check();
    headway.failed();
    now += 1_000;
    headway.check();
  });
});
