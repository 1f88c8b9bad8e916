import { array, assert, asyncProperty, boolean, integer, record, tuple } from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';

import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { answers, fails, hangs, signatureOf, taken, WebhookReceiver } from '../../../test/support/webhook-receiver.js';
import type { Connection } from '../connection.js';
import { Notifier } from './notifier.js';
import type { NotifierOptions } from './notifier.js';

const SECRET = 'a secret that no log may show';

function connection(id: string, more: Partial<Connection> = {}): Connection {
  return { id, channels: ['a'], address: '127.0.0.1', openedAtMs: Date.UTC(2026, 10, 20), ...more };
}

interface Rig {
  readonly clock: ManualClock;
  readonly logger: ReturnType<typeof createCapturingLogger>;
  readonly notifier: Notifier;
}

function rig(url: string, options: Partial<NotifierOptions> = {}): Rig {
  const clock = new ManualClock();
  const logger = createCapturingLogger();
  const notifier = new Notifier({ url, secret: SECRET, ...options }, { clock, logger, random: () => 0.5 });
  onTestFinished(() => notifier.close());
  return { clock, logger, notifier };
}

/** Lets answers come in until `isDone`; each turn of the loop reads sockets. */
async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
}

const told = (receiver: WebhookReceiver): readonly string[] =>
  receiver.received.map(({ body }) => `${String(body['subject'])} ${String(body['type']).split('.').at(-1)}`);

describe('Notifier', () => {
  it('tells of a connection as a CloudEvent, signed', async () => {
    await using receiver = await WebhookReceiver.start();
    const { notifier, clock } = rig(receiver.url);
    const identity = { application: 'shop', user: 'ann' };
    const one = connection('one', { identity, userAgent: 'curl', openedAtMs: clock.now() });
    notifier.notify('opened', one);
    clock.advance(1500);
    notifier.notify('closed', one);
    await receiver.until(2);
    const [opened, closed] = receiver.received;
    expect(opened?.headers).toMatchObject({
      'content-type': 'application/cloudevents+json',
      'webhook-id': opened?.body['id'],
    });
    expect(opened?.body).toEqual({
      specversion: '1.0',
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      source: 'urn:tidegate:hub',
      type: 'tidegate.connection.opened',
      subject: 'one',
      time: '2026-11-20T00:00:00.000Z',
      datacontenttype: 'application/json',
      data: {
        connection: 'one',
        application: 'shop',
        user: 'ann',
        channels: ['a'],
        address: '127.0.0.1',
        userAgent: 'curl',
        openedAt: '2026-11-20T00:00:00.000Z',
      },
    });
    expect(closed?.body['data']).toMatchObject({ connection: 'one', durationMs: 1500 });
    for (const got of receiver.received)
      expect(got.headers['webhook-signature']).toBe(signatureOf(got, Buffer.from(SECRET)));
    await until(() => notifier.waiting === 0);
    expect(notifier.counters).toMatchObject({ delivered: 2, retried: 0 });
  });

  it('tries again, with the same id and a new signature, when a receiver that was down is back', async () => {
    await using receiver = await WebhookReceiver.start();
    const { notifier, clock, logger } = rig(receiver.url);
    await receiver.stop();
    notifier.notify('opened', connection('one'));
    await until(() => logger.lines.length === 1);
    clock.advance(1000);
    await until(() => notifier.counters.retried === 1);
    await receiver.listen();
    receiver.answer = (response) => {
      receiver.answer = taken;
      response.writeHead(503).end();
    };
    await until(() => {
      clock.advance(1000);
      return notifier.counters.delivered === 1;
    });
    const [first, second] = receiver.received;
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp']);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'Cannot deliver webhooks: trying again',
      'Webhooks are delivered again',
    ]);
    expect(logger.lines[0]?.fields).toMatchObject({ failure: 'unreachable', detail: 'ECONNREFUSED' });
  });

  it.each([
    ['500', fails, { failure: 'status', detail: 500 }],
    ['404', answers({}, 404), { failure: 'status', detail: 404 }],
    ['a cut', (response) => response.destroy(), { failure: 'unreachable' }],
  ] as const satisfies readonly (readonly [string, WebhookReceiver['answer'], object])[])(
    'gives up after so many attempts that end in %s, and counts it',
    async (_what, answer, fault) => {
      await using receiver = await WebhookReceiver.start(answer);
      const { notifier, clock, logger } = rig(receiver.url, { attemptsMax: 3 });
      notifier.notify('opened', connection('one'));
      await until(() => {
        clock.advance(500);
        return notifier.waiting === 0;
      });
      expect(receiver.received).toHaveLength(3);
      expect(notifier.counters).toEqual({ delivered: 0, retried: 2, dropped: new Map([['expired', 1]]) });
      expect(logger.lines.at(-1)?.fields).toMatchObject({ reason: 'expired', count: 1, ...fault });
    },
  );

  it('gives up what is too old', async () => {
    await using receiver = await WebhookReceiver.start(fails);
    const { notifier, clock } = rig(receiver.url, { maxAgeMs: 4000 });
    notifier.notify('opened', connection('one'));
    await until(() => {
      clock.advance(250);
      return notifier.waiting === 0;
    });
    expect(notifier.counters.dropped).toEqual(new Map([['expired', 1]]));
    expect(receiver.received.length).toBeLessThan(6);
  });

  it('does not try again where the receiver says that it is gone for good', async () => {
    await using receiver = await WebhookReceiver.start(answers({}, 410));
    const { notifier } = rig(receiver.url);
    notifier.notify('opened', connection('one'));
    await until(() => notifier.waiting === 0);
    expect(notifier.counters).toMatchObject({ retried: 0, dropped: new Map([['gone', 1]]) });
  });

  it('waits as long as the receiver asks', async () => {
    await using receiver = await WebhookReceiver.start((response) =>
      response.writeHead(429, { 'retry-after': '7' }).end(),
    );
    const { notifier, clock, logger } = rig(receiver.url);
    notifier.notify('opened', connection('one'));
    await receiver.until(1);
    await until(() => logger.lines.length === 1);
    clock.advance(6999);
    expect(receiver.received).toHaveLength(1);
    clock.advance(1);
    await receiver.until(2);
  });

  it('gives up a receiver that hangs, and follows none to another server', async () => {
    await using other = await WebhookReceiver.start();
    await using receiver = await WebhookReceiver.start(hangs);
    const { notifier, clock, logger } = rig(receiver.url, { timeoutMs: 700, attemptsMax: 2 });
    notifier.notify('opened', connection('one'));
    await receiver.until(1);
    clock.advance(700);
    await until(() => logger.lines.length === 1);
    expect(logger.lines[0]?.fields).toMatchObject({ failure: 'timeout' });
    receiver.answer = (response) => response.writeHead(307, { location: other.url }).end();
    clock.advance(500);
    await until(() => notifier.waiting === 0);
    expect(logger.lines.at(-1)?.fields).toMatchObject({ failure: 'redirected', detail: 307 });
    expect(other.received).toHaveLength(0);
  });

  it('takes a 200 for a receipt, however much follows it, and even where that is cut', async () => {
    let cut = false;
    await using receiver = await WebhookReceiver.start((response) => {
      response.writeHead(200, { 'content-length': String(1 << 30) });
      response.write('x'.repeat(1 << 20), () => cut && response.destroy());
      cut = true;
    });
    const { notifier } = rig(receiver.url);
    notifier.notify('opened', connection('one'));
    await until(() => notifier.waiting === 0);
    notifier.notify('opened', connection('two'));
    await until(() => notifier.waiting === 0);
    expect(notifier.counters.delivered).toBe(2);
  });

  it('drops the oldest over its bounds, in number and in bytes, and counts them', async () => {
    await using receiver = await WebhookReceiver.start(hangs);
    const { notifier, logger } = rig(receiver.url, { waitingMax: 10, concurrency: 2 });
    for (let index = 0; index < 100; index += 1) notifier.notify('opened', connection(`${index}`));
    expect(notifier.waiting).toBe(10);
    expect(notifier.counters.dropped).toEqual(new Map([['overflow', 90]]));
    expect(logger.lines).toHaveLength(1);
    await receiver.until(2);
    expect(told(receiver).toSorted()).toEqual(['0 opened', '1 opened']);
    const { notifier: small } = rig(receiver.url, { waitingBytesMax: 10_000 });
    for (let index = 0; index < 100; index += 1)
      small.notify('opened', connection(`${index}`, { channels: ['c'.repeat(1000)] }));
    expect(small.waiting).toBeLessThan(11);
  });

  it('never lets a closed overtake the opened of its connection, whatever fails, in whatever order', async () => {
    await using receiver = await WebhookReceiver.start();
    /** For each connection how often its opened and its closed fail, and whether it closes before others open. */
    const plan = tuple(integer({ min: 0, max: 3 }), integer({ min: 0, max: 3 }), boolean());
    const plans = record({
      plans: array(plan, { minLength: 1, maxLength: 12 }),
      concurrency: integer({ min: 1, max: 8 }),
    });
    await assert(
      asyncProperty(plans, async ({ plans: all, concurrency }) => {
        const failuresLeft = new Map<string, number>();
        receiver.received.length = 0;
        receiver.answer = (response, { body }) => {
          const key = `${String(body['subject'])} ${String(body['type'])}`;
          const left = failuresLeft.get(key) ?? 0;
          failuresLeft.set(key, left - 1);
          if (left % 2 === 1) response.destroy();
          else response.writeHead(left > 0 ? 500 : 204).end();
        };
        const { notifier, clock } = rig(receiver.url, { concurrency });
        for (const [at, [opened, closed, isShort]] of all.entries()) {
          failuresLeft.set(`c${at} tidegate.connection.opened`, opened);
          failuresLeft.set(`c${at} tidegate.connection.closed`, closed);
          notifier.notify('opened', connection(`c${at}`));
          if (isShort) notifier.notify('closed', connection(`c${at}`));
        }
        for (const [at, [, , isShort]] of all.entries()) if (!isShort) notifier.notify('closed', connection(`c${at}`));
        await until(() => {
          clock.advance(250);
          return notifier.waiting === 0;
        });
        expect(notifier.counters.delivered).toBe(all.length * 2);
        expect(notifier.counters.retried).toBe(all.reduce((sum, [opened, closed]) => sum + opened + closed, 0));
        const order = told(receiver);
        for (const at of all.keys())
          expect(order.lastIndexOf(`c${at} opened`)).toBeLessThan(order.indexOf(`c${at} closed`));
      }),
      { numRuns: 25 },
    );
    expect(receiver.atOnceMax).toBeLessThanOrEqual(8);
  });

  it('asks a receiver that fails one request at a time, and hurries when it is back', async () => {
    let status = 500;
    // Late enough for all that may be under way at one time to have come.
    await using receiver = await WebhookReceiver.start((response) => {
      const answerIn = (turns: number): void => {
        if (turns === 0) response.writeHead(status).end();
        else setImmediate(answerIn, turns - 1);
      };
      answerIn(20);
    });
    const { notifier, clock, logger } = rig(receiver.url);
    notifier.notify('opened', connection('first'));
    await until(() => logger.lines.length === 1);
    receiver.atOnceMax = 0;
    for (let index = 0; index < 20; index += 1) notifier.notify('opened', connection(`${index}`));
    await receiver.until(10);
    expect(receiver.atOnceMax).toBe(1);
    status = 204;
    await until(() => {
      clock.advance(100);
      return notifier.waiting === 0;
    });
    expect(receiver.atOnceMax).toBeGreaterThan(1);
    expect(notifier.counters.delivered).toBe(21);
  });

  it('flush() tries at once what rests, and does not wait for ever', async () => {
    await using receiver = await WebhookReceiver.start(fails);
    const { notifier, clock, logger } = rig(receiver.url);
    notifier.notify('opened', connection('one'));
    notifier.notify('closed', connection('one'));
    await until(() => logger.lines.length === 1);
    receiver.answer = taken;
    await notifier.flush();
    expect(told(receiver)).toEqual(['one opened', 'one opened', 'one closed']);
    receiver.answer = hangs;
    notifier.notify('opened', connection('two'));
    const flushed = notifier.flush();
    await receiver.until(4);
    clock.advance(2000);
    await flushed;
    notifier.close();
    notifier.notify('closed', connection('two'));
    expect(notifier.counters.dropped).toEqual(new Map([['closed', 2]]));
  });

  it('shows neither its secret nor its URL in any log line', async () => {
    await using receiver = await WebhookReceiver.start(fails);
    const { notifier, clock, logger } = rig(receiver.url, { attemptsMax: 2 });
    notifier.notify('opened', connection('one'));
    await until(() => {
      clock.advance(500);
      return notifier.waiting === 0;
    });
    expect(logger.lines).toHaveLength(2);
    expect(JSON.stringify(logger.lines)).not.toMatch(/no log may show|in-the-url|\/hook/);
  });

  it.each(['ftp://a.example/', 'nonsense', 'http://ann:word@a.example/', '/hook'])(
    'refuses the URL %s without showing it',
    (url) => {
      const make = (): Notifier => new Notifier({ url, secret: SECRET });
      expect(make).toThrow(TypeError);
      expect(make).not.toThrow(/example|nonsense|word@/);
    },
  );
});
