import { PROJECT_ROLES, SCOPES, type Scope } from '@buckets/contracts';
import type { TrialIssuer } from '../../apps/api/src/oidc/testing/trial-issuer.js';
import type { Product } from './product.js';

/** Where somebody has a role: the product, its people, and a project that is somebody's. */
export interface Stage {
  product: Product;
  issuer: TrialIssuer;
  projectId: string;
}

export interface Role {
  name: string;
  /** A token of somebody in that role. */
  token: (stage: Stage) => Promise<string>;
}

async function userId({ product }: Stage, subject: string): Promise<string> {
  return (await product.api.post<{ id: string }>('/v1/user-ids', { subject }, 200)).id;
}

const key =
  (scopes: readonly Scope[], owner?: string) =>
  async (stage: Stage): Promise<string> => {
    const ownerId = owner === undefined ? {} : { ownerId: await userId(stage, owner) };
    const { token } = await stage.product.api.post<{ token: string }>('/v1/api-keys', {
      name: 'k',
      scopes,
      ...ownerId,
    });
    return token;
  };

/** Everybody whom the API knows. A role that is new is added here. */
export const ROLES: readonly Role[] = [
  { name: 'administrator', token: async ({ product }) => product.stack.access.adminToken },
  { name: 'operator', token: ({ issuer }) => issuer.token('olga', { roles: ['operator'] }) },
  ...PROJECT_ROLES.map((role): Role => ({
    name: `${role} of the project`,
    token: async (stage) => {
      const subject = `the-${role}`;
      const address = `/v1/projects/${stage.projectId}/members/${await userId(stage, subject)}`;
      await stage.product.api.call('PUT', address, { body: { role } });
      return stage.issuer.token(subject);
    },
  })),
  { name: 'person who has no role in it', token: ({ issuer }) => issuer.token('nobody') },
  { name: 'key of an owner', token: key(['projects:read', 'projects:write', 'backups:write'], 'the-owner') },
  { name: 'key that may read', token: key(SCOPES.filter((scope) => scope.endsWith(':read'))) },
  { name: 'stranger', token: async () => 'a-token-that-is-none' },
];
