import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { start, TestOutput } from '../../../test/support/cli.js';
import { formatEvent } from '../../protocol/index.js';
import { runCli } from '../index.js';

/** An output whose reader takes one write at a time. */
class SlowOutput extends TestOutput {
  #drained: (() => void) | undefined;

  override write(text: string): boolean {
    super.write(text);
    return false;
  }

  once(_event: 'drain', listener: () => void): void {
    this.#drained = listener;
  }

  drain(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

describe('tidegate subscribe', () => {
  it('waits for a slow reader of its output before it writes more', async () => {
    const body = ['1', '2', '3'].map((data) => formatEvent({ data })).join('');
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stdout = new SlowOutput(false);
    const stop = new AbortController();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const exit = runCli(['subscribe', 'a', '--count', '3', '-u', url], {
      stdin: nothing(),
      stdout,
      stderr: new TestOutput(false),
      env: {},
      cwd: '/nowhere',
      signal: stop.signal,
    });
    for (const count of [1, 2, 3]) {
      await stdout.until(new RegExp(`"data":"${count}"`));
      // All that could be written by now was: the next event has been there from the start.
      await new Promise((resolve) => setImmediate(resolve));
      expect(stdout.text.split('\n')).toHaveLength(count + 1);
      stdout.drain();
    }
    expect(await exit).toBe(0);
    server.closeAllConnections();
    server.close();
  });
});

describe('tidegate serve', () => {
  it.each([
    ['on which nothing was asked', ''],
    ['whose request stops in the middle', 'POST /publish/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"data'],
    ['that has not said all of its headers', 'GET /subscribe/a HTTP/1.1\r\nHost:'],
  ])('does not wait for a connection %s', async (_name, said) => {
    await using hub = start(['serve', '--port', '0', '--hub.drainMs', '10']);
    const [, port = ''] = await hub.stdout.until(/"url":"http:\/\/127\.0\.0\.1:(\d+)"/);
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    socket.write(said);
    // Its answer says that the hub has met the connection before this one.
    await fetch(`http://127.0.0.1:${port}/health`);
    expect(await hub.interrupt()).toBe(0);
    socket.destroy();
  });
});
