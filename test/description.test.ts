import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patient } from '@buckets/patience';
import { TrialIssuer } from '../apps/api/src/oidc/testing/trial-issuer.js';
import { Product } from './running/product.js';
import { ROLES } from './running/roles.js';

const SECONDS_AT_MOST = 180;
jest.setTimeout((ROLES.length + 1) * SECONDS_AT_MOST * 1_000);

const CLONE = join(import.meta.dirname, '..');
const PROGRAM = join(CLONE, '.tools', 'bin', 'schemathesis');
const HOOKS = join(CLONE, 'test', 'running', 'schemathesis-hooks.py');

/** Requests of each route beside those at the bounds of what it takes; the same ones each time. */
const EXAMPLES = 5;
const SEED = 10;
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'response_headers_conformance',
  'negative_data_rejection',
  'is_described_by_its_status',
  'is_not_refused_for_its_schema',
];

/** The token is in no file. */
const CONFIG = `
hooks = '${HOOKS}'
headers = { Authorization = "Bearer \${BUCKETS_TEST_TOKEN}" }
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 431]
`;

/** Without Python there is no schemathesis: `npm test` names then what was left out. */
const withProgram = existsSync(PROGRAM) ? describe : describe.skip;

withProgram('schemathesis, which makes requests of the description, finds no answer that is not described, as', () => {
  let issuer: TrialIssuer;
  let product: Product;
  let folder: string;
  let known: object;

  beforeAll(async () => {
    issuer = await TrialIssuer.start();
    product = await Product.start({ services: ['api', 'worker-eu-1'], settings: () => issuer.settings });
    folder = await mkdtemp(join(tmpdir(), 'buckets-description-'));
    await product.newProject('atlas');
    const project = join(product.folder('atlas'), 'project');
    await mkdir(join(project, 'folder'));
    await writeFile(join(project, 'file'), 'content');
    const { id, result } = await product.backUp('atlas');
    known = {
      id: { '/v1/projects': ['atlas'], '/v1/operations': [id], '/v1/hosts': ['eu-1'] },
      backupId: { '/v1/projects': [result!.backupId!] },
    };
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await product[Symbol.asyncDispose]();
    await issuer.stop();
  });

  it.each(ROLES)('$name', async ({ name, token }) => {
    const config = join(folder, 'schemathesis.toml');
    await writeFile(config, CONFIG);
    const { apiUrl, s3 } = product.stack.access;
    // What a request looks like is asked about alike of all: it is gone through once, by who may ask for everything.
    const phases = name === ROLES[0]!.name ? 'examples,coverage,fuzzing' : 'examples,fuzzing';
    const { code, said } = await run(config, `${apiUrl}/openapi.json`, phases, {
      BUCKETS_TEST_TOKEN: await token({ product, issuer, projectId: 'atlas' }),
      BUCKETS_KNOWN_IDS: JSON.stringify(known),
      BUCKETS_S3_ENDPOINT: s3.endpoint,
    });
    if (code !== 0) throw new Error(said.slice(-20_000));
    expect(said).toMatch(/API Operations:\s+Selected: (\d+)\/\1/);
    await product.api.get('/health/ready');
  });

  function run(
    config: string,
    description: string,
    phases: string,
    environment: Record<string, string>,
  ): Promise<{ code: number; said: string }> {
    const args = ['--no-color', '--config-file', config, 'run', description];
    const bounds = [`--max-examples=${EXAMPLES}`, `--seed=${SEED}`, '--generation-deterministic', '--no-shrink'];
    const how = [`--phases=${phases}`, '--workers=1', '--request-timeout=30', '--max-failures=20'];
    const generation = ['--generation-allow-x00=false', '--suppress-health-check=all'];
    const options = {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, ...environment },
      timeout: patient(SECONDS_AT_MOST * 1_000),
      maxBuffer: 64 * 1024 ** 2,
    };
    return new Promise((resolve) => {
      execFile(
        PROGRAM,
        [...args, ...bounds, ...how, ...generation, `--checks=${CHECKS.join()}`],
        options,
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, said: `${stdout}${stderr}` });
        },
      );
    });
  }
});
