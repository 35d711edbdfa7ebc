import { PROJECT_ROLES, type ProjectRole } from '@buckets/contracts';
import { sayTo, type Access, type Say } from './access.js';
import type { Caller } from './caller.js';
import { SCOPES_OF, SCOPES_OF_USERS } from './roles.js';
import type { Route } from './routes.js';

/** Somebody who asks, and what they are in the project that they ask about. */
export interface Asker {
  name: string;
  /** With this scope, where it is an API key. */
  caller: (access: Access) => Caller;
  role: ProjectRole | null;
}

const base = { id: 'x', name: 'x' };
const ofKey = ({ scope }: Access): Caller => ({ ...base, kind: 'service', scopes: [scope], reach: 'fleet' });
const ofOwnersKey = (access: Access): Caller => ({ ...ofKey(access), reach: { userId: 'x', roles: ['owner'] } });
const ofUser = (): Caller => ({
  ...{ ...base, kind: 'user', scopes: SCOPES_OF_USERS },
  reach: { userId: 'x', roles: PROJECT_ROLES },
});

/** Every role, with a project that is theirs and with one that is not. For the first three all projects are alike. */
export const ASKERS: readonly Asker[] = [
  { name: 'admin', caller: () => ({ ...base, kind: 'admin', scopes: ['admin'], reach: 'fleet' }), role: null },
  {
    name: 'operator',
    caller: () => ({ ...base, kind: 'user', scopes: SCOPES_OF.operator, reach: 'fleet' }),
    role: null,
  },
  { name: 'key', caller: ofKey, role: null },
  { name: "owner's key", caller: ofOwnersKey, role: 'owner' },
  { name: "owner's key, foreign", caller: ofOwnersKey, role: null },
  ...PROJECT_ROLES.toReversed().map((role) => ({ name: role, caller: ofUser, role })),
  { name: 'user, foreign', caller: ofUser, role: null },
];

export const STATUS: Record<Say, string> = { yes: 'yes', forbidden: '403', 'not-there': '404' };

/** Who may take which route, as a table in Markdown as Prettier writes it. */
export function matrixOf(routes: readonly Route[]): string {
  const rows = routes
    .toSorted((a, b) => (a.path === b.path ? (a.method < b.method ? -1 : 1) : a.path < b.path ? -1 : 1))
    .map(({ method, path, access }) => {
      if (access === undefined || access === 'open') throw new Error(`${method} ${path} is not for this table.`);
      const says = ASKERS.map(({ caller, role }) => STATUS[sayTo(caller(access), access, role)]);
      return [`\`${method} ${path}\``, `\`${access.scope}\``, ...says];
    });
  const head = ['Route', 'Scope', ...ASKERS.map(({ name }) => name)];
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[], pad = ' '): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!, pad)).join(' | ')} |\n`;
  return [
    line(head),
    line(
      head.map(() => ''),
      '-',
    ),
    ...rows.map((row) => line(row)),
  ].join('');
}

const [BEGIN, END] = ['<!-- the matrix: npm run access-matrix -->', '<!-- end of the matrix -->'];

/** The document with this matrix in the place of the one that it has. @throws {Error} where it has no place for one */
export function withMatrix(document: string, matrix: string): string {
  const [before, rest] = document.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error('The document has no place for the matrix.');
  return `${before}${BEGIN}\n\n${matrix}\n${END}${after}`;
}
