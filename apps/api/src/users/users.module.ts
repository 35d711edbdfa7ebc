import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { UsersController } from './users.controller.js';

@Module({ imports: [AccessModule], controllers: [UsersController] })
export class UsersModule {}
