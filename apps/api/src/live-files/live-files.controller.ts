import { createHash } from 'node:crypto';
import { Controller, Delete, Get, HttpCode, Put, Query, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiExtraModels,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiProperty,
  ApiPropertyOptional,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsInt, IsOptional, IsString, Length, Max, MaxLength, Min } from 'class-validator';
import type { Response } from 'express';
import {
  LIVE_CHUNK_BYTES,
  LIVE_ENTRY_TYPES,
  LiveChunk,
  LiveEntry,
  LiveListing,
  LiveUpload,
  MAX_LIVE_ENTRIES,
  MAX_LIVE_FILE_BYTES,
} from '@buckets/contracts';
import { Needs, ofProject } from '../access/access.js';
import type { AdmittedProject } from '../access/admission.js';
import { OfProject } from '../access/admitted.js';
import type { CalledRequest } from '../access/caller.js';
import { Room, type RoomFor } from '../access/room.js';
import { StillAdmitted } from '../access/still-admitted.js';
import { Rejection } from '../problems/rejection.js';
import { ApiProblems } from '../http/api-problem.js';
import { Does, OptionalWhole, Whole } from '../http/described.js';
import { ProjectCommands } from '../project-decisions/project-commands.js';
import type { ProjectRow } from '../tables/entities.js';
import { answersWhatCannotBe, HostFiles } from './host-files.js';
import { readBody } from './read-body.js';

export class LiveEntryView implements LiveEntry {
  @ApiProperty({ description: 'Bytes that are no UTF-8 are written \\xNN, a backslash \\\\' }) name!: string;
  @ApiProperty({ enum: LIVE_ENTRY_TYPES }) type!: LiveEntry['type'];
  @Whole() size!: number;
  @ApiProperty({ format: 'date-time' }) mtime!: string;
  @ApiProperty({ example: '0644' }) mode!: string;
}

export class LiveFolderView {
  @ApiProperty({ type: [LiveEntryView] }) entries!: LiveEntryView[];
  @ApiPropertyOptional() nextCursor?: string;
}

export class PathQuery {
  @ApiProperty({ example: 'project/notes/today.md', description: 'Begins with project/ or persist/' })
  @IsString()
  @Length(1, 8192)
  path!: string;
}

export class ReadQuery {
  @ApiPropertyOptional({ description: 'A folder is listed, a file is read; without it, both roots are listed' })
  @IsOptional()
  @IsString()
  @MaxLength(8192)
  path?: string;

  @OptionalWhole({ minimum: 1, maximum: 1000, default: 500 })
  @IsOptional()
  @Transform(({ value }) => (typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : (value as unknown)))
  @IsInt()
  @Min(1)
  @Max(1000)
  limit?: number;

  @ApiPropertyOptional() @IsOptional() @IsString() @Length(1, 2000) cursor?: string;
}

export class RemoveQuery extends PathQuery {
  @ApiPropertyOptional({ description: 'Remove a folder with all that is in it' })
  @IsOptional()
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : (value as unknown)))
  @IsBoolean()
  recursive?: boolean;
}

const MOST_ENTRIES = 1_000;
/** Each holds a file in memory, of 8 MiB at most, until its answer is over. */
const TRANSFERS: RoomFor = { user: 4, users: 32, fleetCaller: 64, all: 96 };
/** Of a host for one of ours, at most. */
const LIST_ANSWERS = MOST_ENTRIES / MAX_LIVE_ENTRIES;
/** Times a file may change while it is read before the reader is told. */
const READ_TRIES = 3;

@ApiTags('live files')
@ApiExtraModels(LiveFolderView)
@Controller('v1/projects/:id/files')
export class LiveFilesController {
  private readonly room = new Room('reads and writes of files', TRANSFERS);

  constructor(
    private readonly commands: ProjectCommands,
    private readonly files: HostFiles,
    private readonly stillAdmitted: StillAdmitted,
  ) {}

  @Get()
  @Does('Lists a folder, or reads a file of 8 MiB at most, as it is on the host')
  @Needs('files:read', ofProject('viewer'))
  @ApiOkResponse({
    content: {
      'application/json': { schema: { $ref: getSchemaPath(LiveFolderView) } },
      'application/octet-stream': { schema: { type: 'string', format: 'binary' } },
    },
  })
  @ApiProblems(404, 409, 413)
  async read(
    @OfProject() admitted: AdmittedProject,
    @Query() query: ReadQuery,
    @Req() request: CalledRequest,
    @Res() response: Response,
  ): Promise<void> {
    this.room.hold(request.caller, response);
    const project = await this.commands.existing(admitted);
    const { path = '', limit = 500, cursor } = query;
    const stat = path === '' ? null : await this.files.step(project, { do: 'stat', path }, LiveEntry);
    if (stat === null || stat.type === 'folder') {
      const folder = await this.folder(project, path, limit, cursor);
      await this.stillAdmitted.check(request, admitted);
      response.json(folder);
      return;
    }
    const bytes = await this.content(project, path);
    await this.stillAdmitted.check(request, admitted);
    // A file of a user is never shown as a page of this origin.
    response.set({ 'Content-Type': 'application/octet-stream', 'X-Content-Type-Options': 'nosniff' });
    response.set({ 'Content-Disposition': 'attachment', 'Last-Modified': new Date(stat.mtime).toUTCString() });
    response.send(bytes);
  }

  @Put()
  @Does('Writes a file of 8 MiB at most', 'It appears whole or not at all.')
  @HttpCode(204)
  @Needs('files:write', ofProject('collaborator'))
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiNoContentResponse()
  @ApiProblems(404, 409, 413)
  async write(
    @OfProject() admitted: AdmittedProject,
    @Query() { path }: PathQuery,
    @Req() request: CalledRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    this.room.hold(request.caller, response);
    const project = await this.commands.existing(admitted);
    const bytes = await readBody(request, MAX_LIVE_FILE_BYTES);
    await this.stillAdmitted.check(request, admitted);
    const begin = { do: 'begin-write', path, size: bytes.length } as const;
    const { uploadId } = await this.files.step(project, begin, LiveUpload);
    try {
      for (let offset = 0; offset < bytes.length; offset += LIVE_CHUNK_BYTES) {
        const chunk = bytes.subarray(offset, offset + LIVE_CHUNK_BYTES).toString('base64');
        await this.files.do(project, { do: 'write-chunk', uploadId, offset, bytes: chunk });
      }
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      await this.stillAdmitted.check(request, admitted);
      await this.files.do(project, { do: 'commit-write', uploadId, sha256 });
    } catch (error) {
      // The host sweeps what is left over, should this not get through either.
      await this.files.do(project, { do: 'abort-write', uploadId }).catch(() => undefined);
      throw error;
    }
  }

  @Delete()
  @Does('Removes a file, or a folder with all that is in it', 'A link is refused, as everywhere in the path.')
  @HttpCode(204)
  @Needs('files:write', ofProject('collaborator'))
  @ApiNoContentResponse()
  @ApiProblems(404, 409)
  async remove(
    @OfProject() admitted: AdmittedProject,
    @Query() { path, recursive = false }: RemoveQuery,
    @Req() request: CalledRequest,
  ): Promise<void> {
    const project = await this.commands.existing(admitted);
    await this.stillAdmitted.check(request, admitted);
    await this.files.do(project, { do: 'remove', path, recursive });
  }

  /** One answer of a host may have fewer entries than one of ours. */
  private async folder(project: ProjectRow, path: string, limit: number, after?: string): Promise<LiveFolderView> {
    const entries: LiveEntry[] = [];
    let cursor = after;
    for (let answers = 0; answers < LIST_ANSWERS && entries.length < limit; answers++) {
      const page = { path, limit: Math.min(limit - entries.length, MAX_LIVE_ENTRIES) };
      const list = { do: 'list', ...page, ...(cursor === undefined ? {} : { cursor }) } as const;
      const listing = await this.files.step(project, list, LiveListing);
      entries.push(...listing.entries);
      cursor = listing.nextCursor;
      if (cursor === undefined) break;
    }
    return { entries, ...(cursor === undefined ? {} : { nextCursor: cursor }) };
  }

  private async content(project: ProjectRow, path: string): Promise<Buffer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.readOnce(project, path);
      } catch (error) {
        const changed = error instanceof Rejection && error.code === 'changed-while-reading';
        if (!changed || attempt === READ_TRIES) throw error;
      }
    }
  }

  private async readOnce(project: ProjectRow, path: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let offset = 0;
    let expect: string | undefined;
    for (;;) {
      const step = { path, offset, length: LIVE_CHUNK_BYTES, ...(expect === undefined ? {} : { expect }) };
      const chunk = await this.files.step(project, { do: 'read', ...step }, LiveChunk);
      const bytes = Buffer.from(chunk.bytes, 'base64');
      if (chunk.size > MAX_LIVE_FILE_BYTES || offset + bytes.length > MAX_LIVE_FILE_BYTES) {
        throw new Rejection(
          'file-too-large',
          'Files of up to 8 MiB can be read here; take a backup of larger ones.',
          413,
        );
      }
      if (bytes.length > LIVE_CHUNK_BYTES) throw answersWhatCannotBe(project, 'a part of a file is too long');
      chunks.push(bytes);
      offset += bytes.length;
      expect = chunk.token;
      if (chunk.eof) return Buffer.concat(chunks);
      if (bytes.length < LIVE_CHUNK_BYTES) throw answersWhatCannotBe(project, 'a part of a file is too short');
    }
  }
}
