import { PROJECT_ROLES, type ProjectRole, type Scope } from '@buckets/contracts';

/** What somebody may do with the fleet: those that an OIDC issuer can give to people. */
export const FLEET_ROLES = ['admin', 'operator'] as const;
export type FleetRole = (typeof FLEET_ROLES)[number];

/**
 * An operator runs the fleet, with no need to read people's files or to make API keys. That is no wall: who gives hosts their
 * credentials can come by what is on them.
 */
export const SCOPES_OF: Record<FleetRole, readonly Scope[]> = {
  admin: ['admin'],
  operator: [
    ...(['regions:read', 'regions:write', 'hosts:read', 'hosts:write', 'projects:read', 'projects:write'] as const),
    ...(['backups:read', 'backups:write', 'operations:read', 'operations:write'] as const),
    ...(['dead-letters:read', 'dead-letters:write'] as const),
  ],
};

/** What people may do who have no say over the fleet: with each project as much as their role in it allows. */
export const SCOPES_OF_USERS: readonly Scope[] = [
  ...(['regions:read', 'projects:read', 'projects:write', 'backups:read', 'backups:write'] as const),
  ...(['files:read', 'files:write', 'operations:read', 'operations:write'] as const),
];

export function isAtLeast(role: ProjectRole, least: ProjectRole): boolean {
  return PROJECT_ROLES.indexOf(role) >= PROJECT_ROLES.indexOf(least);
}
