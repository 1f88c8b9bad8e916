import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { BuiltCli } from '../support/built-cli.js';
import { StreamClient } from '../support/stream-client.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { answers, signatureOf, WebhookReceiver } from '../support/webhook-receiver.js';

const SECRET = 'a secret for the receiver, in a file';
const TIMEOUT_MS = 90_000;

test.each(['1', '2'])(
  'serve --workers %s asks before it lets in, and tells of all who came and went by SIGTERM',
  { timeout: TIMEOUT_MS },
  async (workers) => {
    await using folder = await createTemporaryFolder();
    await using told = await WebhookReceiver.start();
    await using asked = await WebhookReceiver.start((response, received) =>
      answers({ allow: received.body['channels']?.toString() !== 'closed-to-all' })(response, received),
    );
    writeFileSync(join(folder.path, 'secret'), `${SECRET}\n`);
    const hooks = { webhooks: { url: told.url, secretFile: 'secret' }, 'auth.webhook': { url: asked.url } };
    writeFileSync(join(folder.path, 'tidegate.yaml'), JSON.stringify(hooks));
    await using cli = new BuiltCli(
      ['serve', '--workers', workers, '--port', '0', '--hub.drainMs', '300', '--log.format', 'json'],
      folder.path,
    );
    const [, url] = await cli.until(/"url":"(http:[^"]+)"/);
    const clients = await Promise.all(Array.from({ length: 6 }, () => StreamClient.open(`${url}/subscribe/a`)));
    expect((await fetch(`${url}/subscribe/closed-to-all`)).status).toBe(403);
    expect((await fetch(`${url}/publish/closed-to-all`, { method: 'POST', body: 'x' })).status).toBe(403);
    expect((await fetch(`${url}/publish/a`, { method: 'POST', body: 'x' })).status).toBe(200);
    await Promise.all(clients.map((client) => client.event('message')));
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/tidegate_authorization_verdicts_total\{verdict="denied"\} 2\n/);
    expect(await cli.end('SIGTERM')).toBe(0);
    const types = told.received.map(({ body }) => String(body['type']));
    expect(types.filter((type) => type === 'tidegate.connection.opened')).toHaveLength(6);
    expect(types.filter((type) => type === 'tidegate.connection.closed')).toHaveLength(6);
    for (const one of told.received)
      expect(one.headers['webhook-signature']).toBe(signatureOf(one, Buffer.from(SECRET)));
    expect(cli.output).not.toMatch(/in-the-url|for the receiver/);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  },
);
