import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { JetStreamManager } from '@nats-io/jetstream';
import { managerOf } from '@buckets/real-parts';
import type { NatsConnection } from '@nats-io/transport-node';
import { STREAM, type NewEvent } from '@buckets/contracts';
import { Log } from './append.js';
import { LogNotRestorable, LogRefused } from './errors.js';
import type { StoredPosition } from './position.js';
import type { LogMessage } from './projection.js';
import { restoreLog, type RestoreOptions } from './restore-log.js';
import { DEFAULT_LIMITS, logIdentity, provisionStreams } from './streams.js';
import { MemoryJournal } from './testing/memory-journal.js';
import { onOneServer, RealParts, SERVERS } from './testing/real-parts.js';

jest.setTimeout(90_000);

const LAST = 1_301;

describe.each(SERVERS)('a log restored on %s', (_on, servers) => {
  const onOne = onOneServer(servers);
  let parts: RealParts;
  let nats: NatsConnection;
  let jsm: JetStreamManager;
  let journal: MemoryJournal;
  let known: StoredPosition;

  beforeAll(async () => {
    parts = await RealParts.start(['nats'], servers);
    const fresh = await parts.freshLog();
    const log = new Log(fresh.nats, fresh.jsm, 'buckets/test');
    // Single facts and batches, so that expectations and marks of batches are stored with them.
    await Promise.all(Array.from({ length: 101 }, (_, n) => log.append(decision(`h${n}`, n === 0 ? 1 : 13))));
    journal = await MemoryJournal.of(fresh.nats, fresh.jsm);
    known = journal.knownAt(LAST, logIdentity(await fresh.jsm.streams.info(STREAM.log)));
    await parts.disconnect();
  });
  afterAll(async () => {
    await parts.stop();
  });
  beforeEach(async () => {
    await parts.disconnect();
    nats = await parts.connect();
    jsm = await managerOf(nats);
    await jsm.streams.delete(STREAM.log).catch(() => undefined);
  });

  const decision = (id: string, events: number) => ({
    ...{ thing: 'host' as const, id, expected: 0 },
    events: Array.from({ length: events }, (_, n): NewEvent<'host'> => {
      return { thing: 'host', type: 'updated', data: { requestedBy: 'admin', name: `name ${n}` } };
    }),
  });
  const limits = { ...DEFAULT_LIMITS, replicas: servers };
  const restore = (options: Partial<RestoreOptions> = {}) =>
    restoreLog({ nats, jsm, journal, known, limits, ...options });
  const stored = async () => (await MemoryJournal.of(nats, jsm)).messages;
  const plain = ({ position, subject, bytes, headers }: LogMessage) =>
    [position, subject, Buffer.from(bytes).toString(), headers['Nats-Msg-Id']].join(' ');
  const whole = () => journal.messages.map(plain);
  const without = (lacks: (position: number) => boolean) =>
    new MemoryJournal(journal.messages.filter(({ position }) => !lacks(position)));

  it('that was lost has the same messages at the same positions, and is taken for the same', async () => {
    const seen: number[] = [];
    const restored = await restore({ onProgress: ({ position }) => seen.push(position) });
    expect(restored).toMatchObject({ found: 'no log', compared: 0, appended: LAST, position: LAST, onlyInLog: [] });
    expect((await stored()).map(plain)).toEqual(whole());
    expect(logIdentity(await jsm.streams.info(STREAM.log))).toBe(known.identity);
    expect(seen.at(-1)).toBe(LAST);
    // What was asked of the server then is not asked again.
    expect(Object.keys((await stored())[1]!.headers)).not.toContain('Nats-Expected-Last-Subject-Sequence');
    expect(await restore()).toMatchObject({ found: 'a whole log', compared: LAST, appended: 0, position: LAST });
  });

  onOne('takes what comes next as if nothing had happened', async () => {
    await restore();
    const log = new Log(nats, jsm, 'buckets/test');
    const last = journal.messages.findLast(({ subject }) => subject.includes('.h7.'))!.position;
    const [event] = await log.append({ ...decision('h7', 1), expected: last });
    expect(event!.position).toBe(LAST + 1);
    expect(await restore()).toMatchObject({ found: 'a whole log', appended: 0, position: LAST + 1 });
  });

  onOne.each([
    ['an empty log', 0],
    ['an older copy', 1],
    ['an older copy', 777],
    ['an older copy', LAST - 1],
  ])('from %s, with %s messages, is completed', async (found, end) => {
    if (end === 0) await provisionStreams(jsm, limits);
    else await restore({ known: journal.knownAt(end, known.identity) });
    expect(await restore()).toMatchObject({ found, compared: end, appended: LAST - end, position: LAST });
    expect((await stored()).map(plain)).toEqual(whole());
    expect(logIdentity(await jsm.streams.info(STREAM.log))).toBe(known.identity);
  });

  it('goes on where it was when its restore ended half-way, or the server did', async () => {
    const dying = restore({
      onProgress: () => {
        throw new Error('killed');
      },
    });
    await expect(dying).rejects.toThrow('killed');
    let killed: Promise<void> | undefined;
    const kill = () => parts.nats.kill().then(() => parts.nats.start());
    const onProgress: RestoreOptions['onProgress'] = ({ doing }) => {
      if (doing === 'appending') killed ??= kill();
    };
    expect(await restore({ onProgress })).toMatchObject({ found: 'an older copy', position: LAST });
    await killed;
    expect((await stored()).map(plain)).toEqual(whole());
  });

  onOne('is not restored twice by two at once', async () => {
    const outcomes = await Promise.allSettled([restore(), restore()]);
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    for (const failure of failures) expect(failure).toBeInstanceOf(LogNotRestorable);
    await restore();
    expect((await stored()).map(plain)).toEqual(whole());
  });

  describe('is left alone, with a word on what to do,', () => {
    const refused = async (what: string, options: Partial<RestoreOptions> = {}) => {
      const before = await jsm.streams.info(STREAM.log).catch(() => null);
      const refusal = restore(options);
      await expect(refusal).rejects.toThrow(LogNotRestorable);
      await expect(refusal).rejects.toThrow(what);
      const after = await jsm.streams.info(STREAM.log).catch(() => null);
      expect(after?.state.last_seq).toBe(before?.state.last_seq);
    };

    onOne('when the tables know none', async () => {
      await refused('start the API', { known: { position: 0, identity: '', hash: '' } });
    });

    onOne('when the journal lacks messages that the log lacks too', async () => {
      const lacking = without((position) => position === 5 || (position > 900 && position <= 910));
      await refused('lacks the positions 5, 901 to 910', { journal: lacking });
      await restore({ known: journal.knownAt(899, known.identity) });
      await refused('lacks the positions 901 to 910', { journal: lacking });
    });

    onOne('when journal and tables do not belong together', async () => {
      await refused('do not belong together', { known: { ...known, hash: 'another' } });
    });

    onOne('when it is another log', async () => {
      await restore({ known: { ...journal.knownAt(3, 'another'), identity: 'another' } });
      await refused('There is another log, of 3 messages');
    });

    onOne('when it has another message than the journal', async () => {
      const [first, ...rest] = journal.messages;
      const forged = new MemoryJournal([{ ...first!, subject: 'buckets.event.host.other.updated' }, ...rest]);
      await restore({ known: journal.knownAt(900, known.identity) });
      await refused('at position 1 it has another message', { journal: forged });
    });

    onOne('when it lacks its beginning', async () => {
      await restore({ known: journal.knownAt(3, known.identity) });
      const { config } = await jsm.streams.info(STREAM.log);
      await jsm.streams.delete(STREAM.log);
      await jsm.streams.add({ ...config, first_seq: 7 });
      await refused('lacks messages');
    });
  });

  onOne('may have messages that the journal lacks, as an older copy brings them back', async () => {
    await restore({ known: journal.knownAt(950, known.identity) });
    const lacking = without((position) => position > 900 && position <= 910);
    expect(await restore({ journal: lacking })).toMatchObject({
      ...{ found: 'an older copy', compared: 940, appended: LAST - 950 },
      onlyInLog: [{ from: 901, to: 910 }],
    });
    expect((await stored()).map(plain)).toEqual(whole());
  });

  onOne('needs its room', async () => {
    await expect(restore({ limits: { ...limits, logBytes: 64 * 1024 } })).rejects.toThrow(LogRefused);
    expect(await restore()).toMatchObject({ position: LAST });
  });
});
