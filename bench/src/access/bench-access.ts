import { Agent, request, type IncomingMessage } from 'node:http';
import { HOSTS } from '@buckets/stack';
import { median, outranks, percentile } from '../figures.js';
import { Product } from '../product.js';

const REQUESTS = 2_000;
const PROJECTS = 10;
const WARM_UP = 200;
/** Beyond so many standard errors the two are told apart: less than once in 300 runs by chance. */
const TOLD_APART = 3;

/** `npm run bench -- access`: whether an answer to "not yours" takes as long as one to "not there". */
export async function benchAccess(): Promise<void> {
  await using product = await Product.start(HOSTS[0]!.hostId);
  const made: string[] = [];
  for (let n = 0; n < PROJECTS; n++) {
    await product.project(`foreign-${n}`);
    made.push(`foreign-${n}`);
  }
  const { items } = await product.call<{ items: { id: string }[] }>('GET', '/v1/operations');
  const { token } = await product.call<{ token: string }>('POST', '/v1/api-keys', {
    ...{ name: 'stranger', scopes: ['admin'], ownerId: 'stranger' },
  });
  const absent = made.map((id) => id.replace('foreign', 'nothing'));
  const others = items.map(({ id }) => id);
  const noOnes = others.map((id) => id.replaceAll(/[0-9a-f]/g, '0'));
  const project = (id: string) => `/v1/projects/${id}`;
  const stop = (id: string) => `/v1/projects/${id}/stop`;
  const operation = (id: string) => `/v1/operations/${id}`;
  const asker = { url: product.stack.access.apiUrl, token };
  console.log(`\nMilliseconds until ${REQUESTS} requests of somebody with no project are answered 404, in turns`);
  for (const [what, method, foreign, nothing] of [
    ['GET  a project', 'GET', made.map(project), absent.map(project)],
    ['POST its stop', 'POST', made.map(stop), absent.map(stop)],
    ['GET  an operation', 'GET', others.map(operation), noOnes.map(operation)],
  ] as const) {
    const errors = print(what, await inTurns(asker, method, foreign, nothing), 'not yours');
    console.log(`  ${Math.abs(errors) < TOLD_APART ? 'goal met: not told apart' : 'goal NOT MET: told apart'}`);
  }
  await product.call('PATCH', project(made[0]!), { ownerId: 'stranger' });
  const control = await inTurns(asker, 'GET', [project(made[0]!)], absent.map(project));
  const seen = Math.abs(print('GET  a project of its own, for comparison', control, 'yours    ')) >= TOLD_APART;
  console.log(
    `  ${seen ? 'told apart, as it has to be' : 'NOT told apart: this machine is too noisy to say anything'}`,
  );
}

interface Asker {
  url: string;
  token: string;
}

interface Times {
  there: number[];
  nothing: number[];
}

/** Half of the requests each, one after the other; which of a pair comes first is left to chance. */
async function inTurns(asker: Asker, method: string, there: string[], nothing: string[]): Promise<Times> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: Times = { there: [], nothing: [] };
  for (let n = -WARM_UP; n < REQUESTS / 2; n++) {
    const pair = [
      ['there', there[Math.abs(n) % there.length]!],
      ['nothing', nothing[Math.abs(n) % nothing.length]!],
    ] as const;
    for (const [kind, path] of Math.random() < 0.5 ? pair : pair.toReversed()) {
      const began = performance.now();
      await answered(agent, method, path, asker);
      if (n >= 0) times[kind].push(performance.now() - began);
    }
  }
  agent.destroy();
  return times;
}

async function answered(agent: Agent, method: string, path: string, { url, token }: Asker): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const signal = AbortSignal.timeout(30_000);
  request(url + path, { method, agent, signal, headers: { authorization: `Bearer ${token}` } }, resolve)
    .on('error', reject)
    .end();
  const response = await promise;
  for await (const _ of response);
  if (response.statusCode !== 404 && response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}.`);
}

/** @returns how many standard errors the two are apart */
function print(what: string, { there, nothing }: Times, name: string): number {
  const line = (whose: string, values: number[]): void => {
    const [p50, p90, p99] = [median(values), percentile(values, 90), percentile(values, 99)];
    console.log(`  ${whose}  p50 ${p50.toFixed(3)}   p90 ${p90.toFixed(3)}   p99 ${p99.toFixed(3)}`);
  };
  const { share, errors } = outranks(there, nothing);
  console.log(what);
  line(name, there);
  line('not there', nothing);
  const times = (share * 100).toFixed(1);
  console.log(`  of two, the first takes longer ${times} times in 100: ${errors.toFixed(1)} standard errors from 50`);
  return errors;
}
