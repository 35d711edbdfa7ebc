import { describe, expect, it } from '@jest/globals';
import { savingLines, table } from './summary.js';

describe('the summary', () => {
  it('stands in columns, numbers to the right', () => {
    expect(
      table([
        ['', 'time', 'size', ''],
        ['First backup', '2.9 s', '213 MB', 'slow'],
        ['Second', '612 ms', '1.23 GB', 'quick'],
      ]),
    ).toEqual([
      '                 time      size',
      'First backup    2.9 s    213 MB   slow',
      'Second         612 ms   1.23 GB   quick',
    ]);
  });

  it('tells what deduplication and compression saved, over all backups', () => {
    const first = { bytes: 200e6, bytesAdded: 150e6, bytesStored: 120e6 };
    const second = { bytes: 200e6, bytesAdded: 1e6, bytesStored: 0.5e6 };
    expect(savingLines([first, second])).toEqual([
      '2 backups of 400 MB together take 121 MB in the bucket, 69 % less:',
      'deduplication saved 249 MB, compression 30.5 MB.',
    ]);
  });

  it('does not call it a saving when small files need more for their names than they hold', () => {
    expect(savingLines([{ bytes: 100, bytesAdded: 900, bytesStored: 400 }])).toEqual([
      '1 backup of 100 B takes 400 B in the bucket.',
    ]);
  });
});
