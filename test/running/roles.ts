import { SCOPES, type Scope } from '@buckets/contracts';
import type { Product } from './product.js';

export interface Role {
  name: string;
  /** A token of somebody in that role. */
  token: (product: Product) => Promise<string>;
}

const withKey = (scopes: readonly Scope[]) => async (product: Product) =>
  (await product.api.post<{ token: string }>('/v1/api-keys', { name: 'a role', scopes })).token;

/** Everybody whom the API knows. */
export const ROLES: readonly Role[] = [
  { name: 'administrator', token: async (product) => product.stack.access.adminToken },
  { name: 'somebody who may read', token: withKey(SCOPES.filter((scope) => scope.endsWith(':read'))) },
  { name: 'somebody who may do nothing but look at regions', token: withKey(['regions:read']) },
  { name: 'nobody', token: async () => 'a-token-that-is-none' },
];
