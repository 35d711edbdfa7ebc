import { Body, Controller, Delete, Get, HttpCode, Put, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { PROJECT_ROLES, type ProjectRole } from '@buckets/contracts';
import { DataSource } from 'typeorm';
import { Needs, ofProject, ofProjectOrSelf } from '../access/access.js';
import type { AdmittedProject } from '../access/admission.js';
import { OfProject } from '../access/admitted.js';
import { CurrentCaller, type Caller } from '../access/caller.js';
import { Owners } from '../access/owners.js';
import { withinProject } from '../access/visible.js';
import { ApiProblems } from '../http/api-problem.js';
import { Does } from '../http/described.js';
import { UserId } from '../http/identifiers.js';
import { ApiPage, PageQuery, pageOf, type Page } from '../http/page.js';
import { ProjectCommands } from '../project-decisions/project-commands.js';
import { MemberRow } from '../tables/entities.js';

export class SetMember {
  @ApiProperty({
    enum: PROJECT_ROLES,
    description:
      'A viewer sees the project, its backups and its files; a collaborator works with them; an owner also says who else may',
  })
  @IsIn(PROJECT_ROLES)
  role!: ProjectRole;
}

export class MemberView {
  @ApiProperty({ description: 'Opaque: of a person, the id that GET /v1/me shows to them' }) userId!: string;
  @ApiProperty({ enum: PROJECT_ROLES }) role!: ProjectRole;
}

@ApiTags('members')
@Controller('v1/projects/:id/members')
export class MembersController {
  constructor(
    private readonly commands: ProjectCommands,
    private readonly owners: Owners,
    private readonly data: DataSource,
  ) {}

  @Get()
  @Does('Lists who may do what with a project, its owner among them, whose role is oldest first')
  @Needs('projects:read', ofProject('viewer'))
  @ApiPage(MemberView)
  @ApiProblems(404)
  async list(@OfProject() project: AdmittedProject, @Query() query: PageQuery): Promise<Page<MemberView>> {
    await this.commands.existing(project);
    const rows = this.data.getRepository(MemberRow).createQueryBuilder('member');
    const page = await pageOf(withinProject(project, rows, 'project_id'), query, 'oldest-first');
    return { ...page, items: page.items.map(({ user_id: userId, role }) => ({ userId, role })) };
  }

  @Put(':userId')
  @Does(
    'Gives somebody a role in a project, in place of the one that they had',
    'Where it is no longer an owner whose the project was, the project is given to another owner; the only one cannot go ' +
      '(409 `last-owner`). A name of the platform’s own can be an owner, whose API keys come in; as less it would let ' +
      'nobody in (409 `role-without-effect`).',
  )
  @Needs('projects:write', ofProject('owner'))
  @ApiOkResponse({ type: MemberView })
  @ApiProblems(404, 409)
  async set(
    @OfProject() project: AdmittedProject,
    @UserId() userId: string,
    @Body() { role }: SetMember,
    @CurrentCaller() caller: Caller,
  ): Promise<MemberView> {
    this.owners.mustKnow(userId, caller);
    this.owners.mustComeIn(userId, role);
    await this.commands.setMember(project, { userId, role, requestedBy: caller.name });
    return { userId, role };
  }

  @Delete(':userId')
  @Does(
    'Takes the role that somebody has in a project away',
    'Whoever has a role may give up their own. The only owner cannot go (409 `last-owner`).',
  )
  @HttpCode(204)
  @Needs('projects:write', ofProjectOrSelf('owner', 'userId'))
  @ApiNoContentResponse()
  @ApiProblems(404, 409)
  async remove(
    @OfProject() project: AdmittedProject,
    @UserId() userId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<void> {
    await this.commands.removeMember(project, { userId, requestedBy: caller.name });
  }
}
