import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';

export const AUDIENCE = 'buckets';
export const IDS_KEY = Buffer.alloc(32, 7).toString('base64');

/** Answers that are JSON, with nothing by which a token could be checked. */
const BAD_SETS = {
  'no-set': () => '{}',
  'no-keys': () => '{"keys":[]}',
  'no-key': () => '{"keys":[null,7,{"kty":"oct","k":"AAAA","kid":"first"}]}',
  'weak-keys': () => {
    const jwk = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    return JSON.stringify({
      keys: [
        { ...jwk, kid: 'first' },
        { kty: 'RSA', n: 5, e: 'AQAB', kid: 'first' },
      ],
    });
  },
};

interface KeyPair {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  publicJwk: JWK;
}

/** An OIDC issuer as far as Buckets knows it: it signs tokens, and tells its keys over HTTP on this machine. */
export class TrialIssuer {
  /** What the address of the keys does in place of telling them. */
  trouble: 'none' | 'fails' | 'no-json' | 'endless' | keyof typeof BAD_SETS = 'none';
  asked = 0;
  private told: JWK[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
    readonly key: KeyPair,
  ) {
    this.told = [key.publicJwk];
  }

  static async start(): Promise<TrialIssuer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const issuer = new TrialIssuer(server, url, await newKey('first'));
    server.on('request', (_, response) => {
      issuer.asked++;
      if (issuer.trouble === 'fails') response.writeHead(500).end();
      else if (issuer.trouble === 'no-json') response.end('<html>');
      else if (issuer.trouble === 'endless') response.end(Buffer.alloc(2 ** 20, ' '));
      else response.end(issuer.trouble === 'none' ? JSON.stringify({ keys: issuer.told }) : BAD_SETS[issuer.trouble]());
    });
    return issuer;
  }

  get keysUrl(): string {
    return `${this.url}/jwks`;
  }

  /** A key that is told from now on, beside those that are. */
  async addKey(kid: string): Promise<KeyPair> {
    const key = await newKey(kid);
    this.told.push(key.publicJwk);
    return key;
  }

  /** A token of somebody, valid for an hour unless the claims say otherwise. Claims that are undefined are left out. */
  async token(
    subject: string,
    claims: JWTPayload = {},
    { privateKey, kid, alg }: Pick<KeyPair, 'privateKey' | 'kid' | 'alg'> = this.key,
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: this.url, aud: AUDIENCE, sub: subject, iat: now, exp: now + 3_600, ...claims };
    return new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(privateKey);
  }

  /** What the API is started with, so that these people may come in. */
  get settings(): Record<string, string> {
    return {
      BUCKETS_OIDC_ISSUER: this.url,
      BUCKETS_OIDC_AUDIENCE: AUDIENCE,
      BUCKETS_OIDC_KEYS_URL: this.keysUrl,
      BUCKETS_OIDC_IDS_KEY: IDS_KEY,
      BUCKETS_OIDC_ADMIN_ROLE: 'chief',
      BUCKETS_OIDC_OPERATOR_ROLE: 'operator',
    };
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export async function newKey(kid: string, alg = 'ES256'): Promise<KeyPair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}
