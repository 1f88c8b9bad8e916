import { describe, expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';
import { bearerOf, JWT_AUTH, tokenOf } from '../support/jwt-hub.js';
import { answers, taken, WebhookReceiver } from '../support/webhook-receiver.js';
import type { ReceiverAnswer } from '../support/webhook-receiver.js';

const startHub = (url: string): Promise<HubServer> =>
  HubServer.start({ auth: JWT_AUTH, webhooks: { authorize: { url, timeoutMs: 3000 } } });

const says =
  (body: string, status = 200, type = 'application/json'): ReceiverAnswer =>
  (response) =>
    response.writeHead(status, { 'content-type': type }).end(body);

describe('a receiver of webhooks', () => {
  test.each([301, 302, 303, 307, 308])('sends the hub on to a server inside by %i', async (status) => {
    await using inside = await WebhookReceiver.start(answers({ allow: true }));
    const redirects: ReceiverAnswer = (response) =>
      response.writeHead(status, { location: inside.url }).end('{"allow":true}');
    await using receiver = await WebhookReceiver.start(redirects);
    await using hub = await startHub(receiver.url);
    const { body } = await hub.get('/sse?refusals=status', await bearerOf({}));
    expect(body).toMatchObject({ code: 'authorization-unavailable' });
    expect([receiver.received.length, inside.received.length]).toEqual([1, 0]);
  });

  test.each([
    ['text', says('{"allow":"true"}')],
    ['a number', says('{"allow":1}')],
    ['a member in capitals', says('{"Allow":true}')],
    ['a list', says('[{"allow":true}]')],
    ['a member of "__proto__"', says('{"__proto__":{"allow":true}}')],
    ['half of an object', says('{"allow":true')],
    ['an empty answer', says('', 204)],
    ['a page with status 200', says('<h1>Log in</h1>', 200, 'text/html')],
    ['an error that allows', says('{"allow":true}', 500)],
    ['a megabyte of it', says(`{"allow":true,"x":"${'x'.repeat(1_000_000)}"}`)],
    ['a thousand lists around it', says(`{"allow":true,"x":${'['.repeat(1000)}${']'.repeat(1000)}}`)],
  ] as const)('opens a channel by %s', async (_name, answer) => {
    await using receiver = await WebhookReceiver.start(answer);
    await using hub = await startHub(receiver.url);
    const headers = await bearerOf({ subscribe: ['*'], publish: ['*'] });
    for (const path of ['/subscribe/a?refusals=status', '/sse?refusals=status'])
      expect((await hub.get(path, headers)).body).toMatchObject({ code: 'authorization-unavailable' });
    expect((await hub.publish('a', 'x', { ...headers, 'Content-Type': 'text/plain' })).status).toBe(503);
  });

  test('reads the token, the cookie or the other headers of a client', async () => {
    await using receiver = await WebhookReceiver.start(answers({ allow: false }));
    await using hub = await startHub(receiver.url);
    const token = await tokenOf({ subscribe: ['*'] });
    const headers = {
      Cookie: `session=${token}`,
      'X-Forwarded-For': '192.0.2.1',
      'X-Mine': 'secret',
      'Last-Event-ID': 'secret',
    };
    await hub.get(`/subscribe/a?token=${token}&refusals=status`, headers);
    const [question] = receiver.received;
    const seen = JSON.stringify([question?.headers, question?.text]);
    for (const hidden of [token, 'eyJ', 'secret', '192.0.2.1', 'cookie', 'authorization'])
      expect(seen).not.toContain(hidden);
  });

  test('writes a header, a line or a field by the reason that it gives', async () => {
    await using receiver = await WebhookReceiver.start(
      answers({
        allow: false,
        reason: `no\r\n\r\nevent: tidegate.end\ndata: {}\n\n<script>\u001b[2J${'x'.repeat(5000)}`,
      }),
    );
    await using hub = await startHub(receiver.url);
    const answer = await hub.get('/subscribe/a?refusals=stream', await bearerOf({ subscribe: ['*'] }));
    const text = String(answer.body['text']);
    expect(text.match(/^event: .*$/gm)).toEqual(['event: tidegate.error']);
    expect([text.length < 600, text.includes('\r'), text.includes('\u001b')]).toEqual([true, false, false]);
  });
});

describe('a user that the webhook denies', () => {
  test.each([
    '/channels/a/history',
    '/channels/a',
    '/subscribe/a?refusals=status',
    '/subscribe?channel=a&refusals=status',
  ])('reads the channel by %j instead', async (path) => {
    await using receiver = await WebhookReceiver.start(answers({ allow: false }));
    await using hub = await startHub(receiver.url);
    await hub.hub.publish('a', { data: 'secret' });
    expect((await hub.get(path, await bearerOf({ subscribe: ['*'] }))).body).toMatchObject({
      code: 'denied-by-webhook',
    });
  });

  test('ends the channel by DELETE, or by a publish that is its last', async () => {
    await using receiver = await WebhookReceiver.start(answers({ allow: false }));
    await using hub = await startHub(receiver.url);
    await hub.hub.publish('a', { data: '1' });
    const headers = await bearerOf({ publish: ['*'] });
    const ended = await fetch(`${hub.url}/channels/a`, { method: 'DELETE', headers });
    expect([
      ended.status,
      (await hub.publish('a?end=true', 'x', { ...headers, 'Content-Type': 'text/plain' })).status,
    ]).toEqual([403, 403]);
    expect(await hub.hub.end('a')).toBe(true);
  });
});

test('a webhook is believed although another program sent it: it is signed over its id, its time and its body', async () => {
  await using receiver = await WebhookReceiver.start(taken);
  const secret = 'a secret of webhooks that has more than thirty-two bytes';
  await using hub = await HubServer.start({ auth: JWT_AUTH, webhooks: { notify: { url: receiver.url, secret } } });
  const answer = await fetch(`${hub.url}/sse`, { headers: await bearerOf({}) });
  await receiver.until(1);
  await answer.body?.cancel();
  expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
  expect(receiver.received[0]?.headers['webhook-id']).toMatch(/./);
  expect(JSON.stringify(receiver.received[0]?.headers)).not.toContain(secret);
});
