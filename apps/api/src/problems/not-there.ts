import { Rejection } from './rejection.js';

/*
 * What is not there, and what is not the caller's: the same words for both. Whoever refuses takes them from here.
 */

export function projectNotFound(id: string): Rejection {
  return new Rejection('project-not-found', `There is no project ${id}.`, 404);
}

export function operationNotFound(id: string): Rejection {
  return new Rejection('operation-not-found', `There is no operation ${id}.`, 404);
}

export function apiKeyNotFound(id: string): Rejection {
  return new Rejection('api-key-not-found', `There is no API key ${id}.`, 404);
}
