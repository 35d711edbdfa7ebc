import { Controller, Get, Module } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { defineSettings, string } from '@buckets/settings';
import { EventEmitter, once } from 'node:events';
import { runService, serviceSettings } from './index.js';
import type { RunningService } from './index.js';

@Controller()
class NameController {
  @Get('name')
  name(): string {
    return NameModule.configured;
  }
}

@Module({ controllers: [NameController] })
class NameModule {
  static configured = '';
}

const settings = defineSettings({ ...serviceSettings, name: string('NAME', { describe: 'A name' }) });

/** A process that remembers its log and how it ended, instead of ending. */
class FakeProcess extends EventEmitter {
  readonly logged: string[] = [];
  readonly log = { write: (line: string) => void this.logged.push(line) };
  readonly exited = once(this, 'exited');

  constructor(readonly env: Record<string, string>) {
    super();
  }

  exit(code: number): void {
    this.emit('exited', code);
  }

  async run(): Promise<RunningService | undefined> {
    const module = ({ name }: { readonly name: string }): typeof NameModule => {
      NameModule.configured = name;
      return NameModule;
    };
    return await runService({ name: 'namer', settings, module }, this);
  }
}

describe('a process that is one service', () => {
  it('starts with its settings and ends in order when it is told to', async () => {
    const host = new FakeProcess({ NAME: 'Ada' });
    const service = await host.run();
    expect(await (await fetch(`${service?.url}/name`)).text()).toBe('Ada');

    host.emit('SIGTERM');

    expect(await host.exited).toEqual([0]);
    expect(host.logged.join()).toContain('"message":"Stopped"');
  });

  it('ends at once when it is told twice', async () => {
    const host = new FakeProcess({ NAME: 'Ada' });
    const service = await host.run();

    host.emit('SIGINT');
    host.emit('SIGINT');

    expect(await host.exited).toEqual([1]);
    await service?.stop();
  });

  it('says what is wrong with its settings and does not start', async () => {
    const host = new FakeProcess({ BUCKETS_HTTP_PORT: 'x' });
    await expect(host.run()).resolves.toBeUndefined();
    expect(await host.exited).toEqual([1]);
    expect(host.logged.join()).toContain('2 settings need attention');
  });

  it('ends when it cannot start', async () => {
    const host = new FakeProcess({ NAME: 'Ada', BUCKETS_HTTP_HOST: '203.0.113.1' });
    await host.run();
    expect(await host.exited).toEqual([1]);
    expect(host.logged.join()).toContain('EADDRNOTAVAIL');
  });

  it.each(['unhandledRejection', 'uncaughtException'])('ends, with the reason in its log, on an %s', async (event) => {
    const host = new FakeProcess({ NAME: 'Ada' });
    const service = await host.run();

    host.emit(event, new Error('out of the blue'));

    expect(await host.exited).toEqual([1]);
    expect(host.logged.at(-1)).toContain('out of the blue');
    expect(host.logged.at(-1)).toContain('"level":"fatal"');
    await service?.stop();
  });
});
