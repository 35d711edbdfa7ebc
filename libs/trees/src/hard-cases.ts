import type { Bed } from './bed.js';

export interface Sowing {
  /** Why an ordinary user has to do without. */
  needsRoot?: string;
  sow(bed: Bed): Promise<void> | void;
}

/**
 * What copying programs get wrong, each case sown in an empty folder of its own.
 * The names are for people: a demo or a test prints which of them it had.
 */
export const SOWINGS = {
  'unicode names': {
    async sow(bed) {
      // The last two look the same and are not: composed and decomposed.
      const names = ['Übergröße.txt', '日本語', '🌳🪣.md', 'עברית', '\u202egnp.exe', '\u00e9', 'e\u0301'];
      for (const name of names) await bed.file(name);
      await bed.newFolder('папка');
      await bed.file('папка/файл');
    },
  },
  'names that are not UTF-8': {
    async sow(bed) {
      await bed.file(latin1('f\xfcr-latin1'));
      await bed.file(latin1('\xff\xfe\x80'));
      await bed.file(latin1('overlong-\xc0\xaf'));
      await bed.file(latin1('surrogate-\xed\xa0\x80'));
      await bed.newFolder(latin1('folder-\xe9'));
      await bed.file(latin1('folder-\xe9/\xe9'));
      await bed.link(latin1('link-\xe8'), latin1('\xff\xfe\x80'));
    },
  },
  'names with newlines': {
    async sow(bed) {
      for (const name of ['two\nlines', '\n', 'ends\n', '\nbegins', 'return\r\nline']) await bed.file(name);
      await bed.newFolder('a folder\nof two lines');
      await bed.file('a folder\nof two lines/file');
    },
  },
  'names with leading dashes': {
    async sow(bed) {
      for (const name of ['-rf', '--', '-', '--delete', '--files0-from=-']) await bed.file(name);
    },
  },
  'names with special characters': {
    async sow(bed) {
      const names = [
        'back\\slash',
        'back\\x2fslash',
        ' ',
        ' spaces ',
        '*',
        '?[a-z]',
        '$HOME',
        '`id`',
        '"\'',
        '...',
        '.hidden',
        '%2e%2e',
        '~',
        '#',
        'a:b',
        '\t',
        '\x1b[31mred\x1b[0m',
        '\x01\x7f',
      ];
      for (const name of names) await bed.file(name);
    },
  },
  'a path of 300 characters': {
    async sow(bed) {
      let path = '';
      for (const letter of 'abcdef') {
        path += (path && '/') + letter.repeat(49);
        await bed.newFolder(path);
      }
      await bed.file(`${path}/file`);
    },
  },
  'a name of 255 bytes': {
    async sow(bed) {
      await bed.file('x'.repeat(255));
      await bed.file('ü'.repeat(127) + '.');
      // One that still fits here, and no longer once a program adds a suffix for its temporary file.
      await bed.newFolder('界'.repeat(85));
    },
  },
  'links inside': {
    async sow(bed) {
      await bed.newFolder('folder');
      await bed.file('folder/file');
      await bed.link('to-file', 'folder/file', { mtimeNs: 1_234_567_890_123_456_789n });
      await bed.link('to-folder', 'folder');
      await bed.link('folder/up', '../to-file');
    },
  },
  'links outside': {
    async sow(bed) {
      await bed.link('absolute', '/etc/passwd');
      await bed.link('absolute-folder', '/etc');
      await bed.link('relative', '../../../../../../../../etc/passwd');
    },
  },
  'dangling links': {
    async sow(bed) {
      await bed.link('dangling', 'nothing/is/here');
      await bed.link('long', `${'d'.repeat(200)}/`.repeat(10));
      await bed.link('strange', latin1('new\nline \xff \\x2f'));
    },
  },
  'link loops': {
    async sow(bed) {
      await bed.link('self', 'self');
      await bed.link('one', 'two');
      await bed.link('two', 'one');
      await bed.link('here', '.');
      await bed.link('parent', '..');
    },
  },
  'hard links in one folder': {
    async sow(bed) {
      await bed.file('first', bed.random.bytes(5000), { mode: 0o640 });
      await bed.hardLink('second', 'first');
      await bed.hardLink('third', 'first');
    },
  },
  'hard links across folders': {
    async sow(bed) {
      for (const folder of ['a', 'b', 'b/c']) await bed.newFolder(folder);
      await bed.file('b/file', bed.random.bytes(300_000));
      await bed.hardLink('a/file', 'b/file');
      await bed.hardLink('b/c/other-name', 'b/file');
      // Same content and time, yet a file of its own.
      await bed.file('a/twin', 'twin', { mtimeNs: 1_600_000_000_000_000_001n });
      await bed.file('b/twin', 'twin', { mtimeNs: 1_600_000_000_000_000_001n });
    },
  },
  'a sparse file': {
    async sow(bed) {
      const size = bed.sparseBytes;
      await bed.sparseFile('sparse.img', size, [0, Math.floor(size / 2), Math.max(0, size - 10_000)]);
      await bed.sparseFile('only-a-hole', Math.min(size, 3_000_000), []);
    },
  },
  'a file of zeros': {
    sow: (bed) => bed.file('zeros', Buffer.alloc(1_500_000)),
  },
  'empty files': {
    async sow(bed) {
      for (const name of ['empty', '.gitkeep', '__init__.py']) await bed.file(name, '');
    },
  },
  'empty folders': {
    async sow(bed) {
      for (const name of ['empty', 'outer', 'outer/inner']) await bed.newFolder(name, { mode: 0o750 });
    },
  },
  'a FIFO': { sow: (bed) => bed.later('pipe', 'fifo') },
  'a socket': { sow: (bed) => bed.later('socket', 'socket') },
  'extended attributes': {
    async sow(bed) {
      const several = {
        'user.comment': Buffer.from('für später'),
        'user.binary': Buffer.from([0, 255, 10, 0]),
        'user.empty': Buffer.alloc(0),
        'user.long': bed.random.bytes(1000),
      };
      await bed.file('file', 'x', { xattrs: several });
      await bed.newFolder('folder', { xattrs: { 'user.label': Buffer.from('on a folder') } });
      await bed.file('read-only', 'x', { xattrs: { 'user.a': Buffer.from('b') }, mode: 0o444 });
    },
  },
  'trusted and security attributes': {
    needsRoot: 'only root may set them',
    async sow(bed) {
      const trusted = { 'trusted.overlay.note': Buffer.from('kept') };
      // cap_net_bind_service=ep in the kernel's own form (struct vfs_cap_data, version 2, little endian).
      const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
      await bed.file('trusted', 'x', { xattrs: trusted });
      await bed.link('on-a-link', 'trusted', { xattrs: trusted });
      await bed.file('capable', 'x', {
        xattrs: { 'security.capability': capability },
        owner: [1001, 1001],
        mode: 0o755,
      });
    },
  },
  'mode 000': {
    needsRoot: 'an ordinary user could not read it back',
    async sow(bed) {
      await bed.file('file', bed.random.bytes(100), { mode: 0 });
      await bed.newFolder('folder', { mode: 0 });
      await bed.file('folder/file', bed.random.bytes(100), { mode: 0 });
    },
  },
  'setuid, setgid and sticky': {
    async sow(bed) {
      for (const mode of [0o4755, 0o2755, 0o6711, 0o1644, 0o7777]) {
        await bed.file(mode.toString(8), 'x', { mode });
      }
      await bed.newFolder('shared', { mode: 0o2775 });
      await bed.newFolder('sticky', { mode: 0o1777 });
    },
  },
  'other owners': {
    needsRoot: 'only root may give files away',
    async sow(bed) {
      await bed.file('file', 'x', { owner: [12_345, 54_321] });
      await bed.file('setuid', 'x', { owner: [2_000_000_000, 2_000_000_001], mode: 0o4711 });
      await bed.newFolder('folder', { owner: [1001, 100], mode: 0o700 });
      await bed.file('folder/file', 'x', { owner: [1001, 100] });
      await bed.link('link', 'file', { owner: [12_345, 0] });
    },
  },
  'nanosecond times': {
    async sow(bed) {
      const times = {
        one: 1_700_000_000_000_000_001n,
        many: 1_600_000_000_123_456_789n,
        last: 1_500_000_000_999_999_999n,
      };
      for (const [name, mtimeNs] of Object.entries(times)) await bed.file(name, name, { mtimeNs });
      await bed.newFolder('folder', { mtimeNs: 1_650_000_000_000_000_777n });
      await bed.file('folder/newer', 'x', { mtimeNs: 1_710_000_000_987_654_321n });
    },
  },
  'times before 1970': {
    async sow(bed) {
      await bed.file('epoch', 'x', { mtimeNs: 0n });
      await bed.file('just-before', 'x', { mtimeNs: -1n });
      await bed.file('1954', 'x', { mtimeNs: -500_000_000_123_456_789n });
      await bed.newFolder('folder', { mtimeNs: -86_400_000_000_001n });
    },
  },
  'times far in the future': {
    async sow(bed) {
      // Beyond 32 bits of seconds, and beyond 64 bits of nanoseconds.
      await bed.file('2106', 'x', { mtimeNs: 4_294_967_296_500_000_001n });
      await bed.file('2400', 'x', { mtimeNs: 13_569_465_600_123_456_789n });
    },
  },
} satisfies Record<string, Sowing>;

export type HardCase = keyof typeof SOWINGS;

export const HARD_CASES = Object.keys(SOWINGS) as HardCase[];

function latin1(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}
