import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { ID_PATTERN } from '@buckets/contracts';
import type { AdmittedRequest } from './admission.js';

const ADMITTED = Symbol('what a route takes by its id, to which its caller was admitted');

/** Hands a route the project that it is about, an `AdmittedProject`. The route says for whom it is by `Needs(…, ofProject(…))`. */
export const OfProject = () => admitted('project');
/** The same of an operation, an `AdmittedOperation`. */
export const OfOperation = () => admitted('operation');

/** What a route takes in that way: only what it was admitted to, or the API does not start. */
export function takenBy(handler: object): 'project' | 'operation' | undefined {
  return Reflect.getMetadata(ADMITTED, handler) as 'project' | 'operation' | undefined;
}

const Admitted = createParamDecorator(
  // The guard has let its caller in.
  (_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<AdmittedRequest>().admitted,
);

function admitted(what: 'project' | 'operation'): ParameterDecorator {
  const schema = { type: 'string' as const, pattern: ID_PATTERN.source };
  return (target, method, index) => {
    Admitted()(target, method, index);
    const described = Object.getOwnPropertyDescriptor(target, method!)!;
    ApiParam({ name: 'id', schema, description: `Id of the ${what}` })(target, method!, described);
    Reflect.defineMetadata(ADMITTED, what, described.value as object);
  };
}
