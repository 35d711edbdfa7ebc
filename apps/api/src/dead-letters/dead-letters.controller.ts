import { Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { DeadLetters } from '@buckets/log';
import { Needs } from '../access/access.js';
import { Rejection } from '../problems/rejection.js';
import { ApiProblems } from '../http/api-problem.js';
import { Does } from '../http/described.js';
import { Id } from '../http/identifiers.js';
import { Repetition, type Repeatable } from '../http/idempotency.js';
import { ApiPage, cursorAt, DEFAULT_LIMIT, PageQuery, positionOf, type Page } from '../http/page.js';
import { DeadLetterDesk } from './dead-letter-desk.js';
import {
  DeadLetterView,
  deadLetterView,
  ReplayedView,
  WholeDeadLetterView,
  wholeDeadLetterView,
} from './dead-letter-view.js';

@ApiTags('dead letters')
@Controller('v1/dead-letters')
export class DeadLettersController {
  constructor(
    private readonly letters: DeadLetters,
    private readonly desk: DeadLetterDesk,
  ) {}

  @Get()
  @Does('Lists the messages that could not be read, the newest first')
  @Needs('dead-letters:read')
  @ApiPage(DeadLetterView)
  @ApiProblems()
  async list(@Query() { limit = DEFAULT_LIMIT, cursor }: PageQuery): Promise<Page<DeadLetterView>> {
    const before = cursor === undefined ? {} : { before: positionOf(cursor) };
    const found = await this.letters.list({ ...before, limit: limit + 1 });
    const items = found.slice(0, limit).map(deadLetterView);
    return { items, ...(found.length > limit ? { nextCursor: cursorAt(found[limit - 1]!.id) } : {}) };
  }

  @Get(':id')
  @Does('Shows a message that could not be read, with its content')
  @Needs('dead-letters:read')
  @ApiOkResponse({ type: WholeDeadLetterView })
  @ApiProblems(404)
  async get(@Id('dead letter') id: string): Promise<WholeDeadLetterView> {
    return wholeDeadLetterView(await this.desk.get(id));
  }

  @Post(':id/replay')
  @HttpCode(200)
  @Does(
    'Tries a message again that could not be read',
    'A claim is decided as any other, by the version that runs now. An intent goes to its host once more, while its ' +
      'operation is open. The letter goes then. What still cannot be read stays here.',
  )
  @Needs('dead-letters:write')
  @ApiOkResponse({ type: ReplayedView })
  @ApiProblems(404, 409)
  async replay(@Id('dead letter') id: string, @Repetition() { repeats }: Repeatable): Promise<ReplayedView> {
    await this.desk.replay(id).catch((error: unknown) => {
      // Under the same key it was replayed before, and removed with that.
      if (!(repeats && error instanceof Rejection && error.code === 'dead-letter-not-found')) throw error;
    });
    return { id, replayed: true };
  }

  @Delete(':id')
  @Does('Discards a message that could not be read, and says what is lost with it')
  @Needs('dead-letters:write')
  @ApiOkResponse({ type: DeadLetterView })
  @ApiProblems(404)
  async discard(@Id('dead letter') id: string): Promise<DeadLetterView> {
    return deadLetterView(await this.desk.discard(id));
  }
}
