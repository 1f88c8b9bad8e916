// The hub of deploy/compose/notifications, started by hand on a real Redis, and what its README says to type.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

import { BuiltCli } from '../support/built-cli.js';
import { freePort } from '../support/free-port.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const FOLDER = new URL('../../deploy/compose/notifications/', import.meta.url);
const CLI = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const hasPrograms = hasRedis && existsSync('/usr/bin/redis-cli') && existsSync('/usr/bin/curl');
const run = promisify(execFile);

type Variables = Readonly<Record<string, string>>;

interface Server {
  readonly command: readonly string[];
  readonly environment: Variables;
}

const readText = (name: string): Promise<string> => readFile(new URL(name, FOLDER), 'utf8');

/** What .env.example says, with what a reader is told to fill in. */
async function readVariables(filledIn: Variables): Promise<Variables> {
  const lines = (await readText('.env.example')).split('\n').filter((line) => /^[A-Z_]+=/.test(line));
  return { ...Object.fromEntries(lines.map((line) => line.split('=', 2) as [string, string])), ...filledIn };
}

/** The service of compose.yaml, with its variables filled in as Compose does. */
async function readServer(variables: Variables): Promise<Server> {
  const file = parse(await readText('compose.yaml')) as { services: { server: Server } };
  const fill = (text: string): string =>
    text.replace(/\$\{([A-Z_]+):[-?]([^}]*)\}/g, (_, name: string, otherwise: string) => variables[name] || otherwise);
  const { command, environment } = file.services.server;
  return {
    command,
    environment: Object.fromEntries(Object.entries(environment).map(([name, text]) => [name, fill(text)])),
  };
}

interface Stack extends AsyncDisposable {
  readonly url: string;
  readonly redisPort: number;
  readonly environment: Variables;
  readonly hub: BuiltCli;
  readonly cwd: string;
}

async function startStack(): Promise<Stack> {
  const folder = await createTemporaryFolder();
  const redis = await startRedis();
  const port = await freePort();
  const secret = randomBytes(32).toString('hex');
  const variables = await readVariables({
    JWT_SECRET: secret,
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(redis.port),
  });
  const { command, environment } = await readServer(variables);
  // The port inside the container, and all its addresses, are another matter on this machine.
  const here = { TIDEGATE_HTTP_PORT: String(port), TIDEGATE_HTTP_HOST: '127.0.0.1' };
  const hub = new BuiltCli(command, folder.path, { ...environment, ...here });
  await hub.until(/Hub listening/);
  await hub.until(/bridges Redis channels/);
  return {
    url: `http://127.0.0.1:${port}`,
    redisPort: redis.port,
    environment,
    hub,
    cwd: folder.path,
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The commands that the README shows, as they are typed here. */
async function readCommands({ url, redisPort }: Stack): Promise<readonly string[]> {
  const [, toTry = ''] = (await readText('README.md')).split('## Try it');
  return [...toTry.matchAll(/```sh\n(.+)\n```/g)].map(([, line = '']) =>
    line
      .replace('docker compose run --rm --no-deps server', `${process.execPath} ${CLI}`)
      .replace('docker compose exec redis redis-cli', `redis-cli -p ${redisPort}`)
      .replaceAll('http://localhost:8080', url),
  );
}

describe('deploy/compose/notifications', () => {
  test.skipIf(!hasPrograms)(
    'does what its README says, typed with curl and redis-cli (needs redis-server) [redis]',
    async () => {
      await using stack = await startStack();
      const [token = '', health = '', stream = '', publish = '', hash = '', application = '', user = '', nobody = ''] =
        await readCommands(stack);
      const env = { ...process.env, ...stack.environment };
      const { stdout: printed } = await run('bash', ['-c', `${token}; echo "$TOKEN"`], { env, cwd: stack.cwd });
      const withToken = { ...env, TOKEN: printed.trim() };
      const type = async (line: string): Promise<string> =>
        (await run('bash', ['-c', line], { env: withToken })).stdout;
      expect(await type(health)).toMatch(/^HTTP\/1\.1 200 [^]*\{"status":"ok"\}$/);
      const open = spawn('bash', ['-c', `exec ${stream}`], { env: withToken, stdio: ['ignore', 'pipe', 'ignore'] });
      try {
        let heard = '';
        open.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()));
        await expect.poll(() => heard, { timeout: 10_000 }).toContain('event: tidegate.live');
        expect(await type(publish)).toBe('1\n');
        const event = 'id: 1\nevent: order\ndata: {"state":"shipped"}\n\n';
        await expect.poll(() => heard, { timeout: 10_000 }).toContain(event);
        const [, channel] = /^channel_id\n(.+)$/m.exec(await type(hash)) ?? [];
        expect(channel).toBe('shop:channel:ada');
        for (const line of [application, user]) {
          const { ada } = JSON.parse(await type(line)) as { readonly ada: Readonly<Record<string, object>> };
          expect(Object.keys(ada)).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
        }
      } finally {
        open.kill('SIGKILL');
      }
      expect(await type(nobody)).toMatch(/^HTTP\/1\.1 401 /);
      await expect.poll(async () => (await type(hash)).trim(), { timeout: 10_000 }).toBe('');
      expect(stack.hub.output).toContain('"app":"notifications"');
      expect(stack.hub.output).not.toContain(stack.environment['JWT_SECRET']);
    },
    60_000,
  );

  test.skipIf(!hasRedis)(
    'has a Postman collection whose requests are answered as it says (needs redis-server) [redis]',
    async () => {
      await using stack = await startStack();
      const env = { ...process.env, ...stack.environment };
      const { stdout: token } = await run(process.execPath, [CLI, 'token', 'shop', 'ada'], { env, cwd: stack.cwd });
      const collection = await readCollection();
      const variables = new Map(collection.variable.map(({ key, value }) => [key, value]));
      variables.set('base_url', stack.url).set('token', token.trim());
      const fill = (text: string): string =>
        text.replace(/\{\{(\w+)\}\}/g, (_, key: string) => variables.get(key) ?? '?');
      const statuses: Record<string, number> = {};
      for (const { name, request } of collection.item) {
        const headers: Record<string, string> = { Accept: '*/*' };
        if (request.auth.type === 'bearer') headers['Authorization'] = `Bearer ${token.trim()}`;
        const leaving = new AbortController();
        const answer = await fetch(fill(request.url.raw), { headers, redirect: 'manual', signal: leaving.signal });
        statuses[name] = answer.status;
        leaving.abort();
      }
      expect(statuses).toEqual({
        Health: 200,
        Root: 301,
        'Stream by header': 200,
        'Stream by query': 200,
        'Stream without a token': 401,
        'Connections of an application': expect.toSatisfy((status) => status === 200 || status === 204) as number,
        'Connections of a user': expect.toSatisfy((status) => status === 200 || status === 204) as number,
      });
    },
    60_000,
  );

  test('has a Postman collection in the form of version 2.1', async () => {
    const { info, item, variable } = await readCollection();
    expect(info).toMatchObject({
      name: expect.any(String) as string,
      schema: 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json',
    });
    for (const { name, request } of item) {
      const { method, header, url } = request;
      expect([name, method, header]).toEqual([expect.any(String), 'GET', []]);
      const query = (url.query ?? []).map(({ key, value }) => `${key}=${value}`).join('&');
      expect(url.raw).toBe(`${url.host.join('.')}/${url.path.join('/')}${query === '' ? '' : `?${query}`}`);
    }
    const known = new Set(variable.map(({ key }) => key));
    const used = [...JSON.stringify(item).matchAll(/\{\{(\w+)\}\}/g)].map(([, key = '']) => key);
    expect(used.filter((key) => !known.has(key))).toEqual([]);
    expect(variable.find(({ key }) => key === 'token')?.value).toBe('');
  });

  test('has a Makefile, variables and a compose file that fit each other', async () => {
    const makefile = await readText('Makefile');
    for (const target of ['build', 'up', 'down', 'restart', 'logs'])
      expect(makefile).toMatch(new RegExp(`^${target}:`, 'm'));
    const compose = await readText('compose.yaml');
    const used = new Set([...compose.matchAll(/\$\{([A-Z_]+)/g)].map(([, name = '']) => name));
    const given = Object.keys(await readVariables({})).filter((name) => name !== 'COMPOSE_PROFILES');
    expect([...used].toSorted()).toEqual(given.toSorted());
  });
});

interface Collection {
  readonly info: Readonly<Record<string, string>>;
  readonly item: readonly {
    readonly name: string;
    readonly request: {
      readonly method: string;
      readonly header: readonly unknown[];
      readonly auth: { readonly type: string };
      readonly url: {
        readonly raw: string;
        readonly host: readonly string[];
        readonly path: readonly string[];
        readonly query?: readonly { readonly key: string; readonly value: string }[];
      };
    };
  }[];
  readonly variable: readonly { readonly key: string; readonly value: string }[];
}

async function readCollection(): Promise<Collection> {
  return JSON.parse(await readText('postman_collection.json')) as Collection;
}
