import 'reflect-metadata';
import { readFile, writeFile } from 'node:fs/promises';
import { matrixOf, withMatrix } from './access/matrix.js';
import { routesOf } from './access/routes.js';
import { ApiModule } from './api.module.js';
import { controllersOf } from './wiring/controllers.js';

/** `npm run access-matrix`: writes into `docs/security.md` who may take which route, as the code has it. */
const document = new URL('../../../docs/security.md', import.meta.url);
const matrix = matrixOf(routesOf(controllersOf(ApiModule)));
await writeFile(document, withMatrix(await readFile(document, 'utf8'), matrix));
