import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { start } from '../support/cli.js';
import { HubServer } from '../support/hub-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import type { TemporaryFolder } from '../support/temporary-folder.js';
import { cut, hold, startUpstream } from '../support/upstream.js';

let folder: TemporaryFolder;
beforeEach(async () => {
  folder = await createTemporaryFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

const AT = ['--metrics.port', '0'];
const URL_LINE = /"url":"(http:[^"]+)","message":"Answering/;

interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask(url: string): Promise<Answered> {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** The value of a line of `/metrics`. */
async function metric(url: string, line: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
}

describe('tidegate ingest', () => {
  it('counts what becomes of its events, by pipeline and sink, and reconnects by cause', async () => {
    await using upstream = await startUpstream(
      cut('id: 1\ndata: a\n\nid: 2\nevent: other\ndata: b\n\n'),
      hold('id: 4\nevent: beat\ndata:\n\nid: 1\ndata: a\n\nid: 3\ndata: c\n\n'),
    );
    const rules = ['--types', 'message', '--filter.canary', 'type=beat', '--dedupe.key', 'id'];
    const flags = ['--url', upstream.url, '--sink.file.dir', './archive', ...rules, ...AT];
    await using ingest = start(['ingest', '--pipeline.name', 'news', ...flags], { cwd: folder.path });
    const [, url = ''] = await ingest.stdout.until(URL_LINE);
    const sink = 'pipeline="news",sink="file"';
    await expect.poll(() => metric(url, `tidegate_ingest_sink_events_total{${sink}}`), { timeout: 10_000 }).toBe(2);
    const read = (name: string): Promise<number | undefined> => metric(url, `tidegate_ingest_${name}`);
    expect(await read('events_total{pipeline="news"}')).toBe(5);
    expect(await read('bytes_total{pipeline="news"}')).toBeGreaterThan(40);
    expect(await read('filtered_events_total{pipeline="news"}')).toBe(1);
    expect(await read('canary_events_total{pipeline="news"}')).toBe(1);
    expect(await read('repeated_events_total{pipeline="news"}')).toBe(1);
    expect(await read('reconnects_total{pipeline="news",cause="broken"}')).toBe(1);
    expect(await read('connected{pipeline="news"}')).toBe(1);
    expect(await read('state{pipeline="news",state="running"}')).toBe(1);
    expect(await read('lag_events{pipeline="news"}')).toBe(0);
    expect(await read('lag_seconds{pipeline="news"}')).toBe(0);
    expect(await read(`sink_retries_total{${sink}}`)).toBe(0);
    expect(await read(`sink_dead_letters_total{${sink}}`)).toBe(0);
    expect(await read('silence_seconds{pipeline="news"}')).toBeLessThan(10);
    expect((await ask(`${url}/health`)).body).toMatchObject({
      status: 'ok',
      pipelines: { news: { state: 'running' } },
    });
    expect(await ask(`${url}/ready`)).toEqual({ status: 200, body: { status: 'ready' } });
    expect((await ask(`${url}/other`)).status).toBe(404);
    expect((await fetch(`${url}/health`, { method: 'POST' })).status).toBe(405);
  });

  it('says how far a sink is behind that takes nothing', async () => {
    await using upstream = await startUpstream(hold('id: 1\ndata: a\n\nid: 2\ndata: b\n\n'));
    const broken = createServer((_request, response) => void response.writeHead(503).end());
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const hub = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`;
    const flags = ['--url', upstream.url, '--sink.hub.url', hub, '--sink.hub.channel', 'c', ...AT];
    const ingest = start(['ingest', ...flags], { cwd: folder.path });
    const [, url = ''] = await ingest.stdout.until(URL_LINE);
    await expect.poll(() => metric(url, 'tidegate_ingest_lag_events{pipeline="ingest"}'), { timeout: 5000 }).toBe(2);
    await expect
      .poll(() => metric(url, 'tidegate_ingest_lag_seconds{pipeline="ingest"}'), { timeout: 5000 })
      .toBeGreaterThan(0.1);
    // It has nowhere to drain to.
    void ingest.interrupt();
    await ingest.stdout.until(/"waiting":2,"message":"Stopping once sinks have what waits for them/);
    expect((await ask(`${url}/ready`)).body).toEqual({ status: 'draining' });
    broken.closeAllConnections();
    broken.close();
    await ingest.exit;
  }, 30_000);

  it('is not healthy while a source is silent for too long, and is again when it speaks', async () => {
    await using hub = await HubServer.start({ drainMs: 0, heartbeatMs: 100 });
    const flags = ['--url', `${hub.url}/subscribe/a`, '--sink.file.dir', './archive', '--health.silenceMs', '400'];
    await using ingest = start(['ingest', ...flags, ...AT], { cwd: folder.path });
    const [, url = ''] = await ingest.stdout.until(URL_LINE);
    await expect.poll(async () => (await ask(`${url}/health`)).status, { timeout: 5000 }).toBe(503);
    const { body } = await ask(`${url}/health`);
    expect(body).toMatchObject({
      status: 'failing',
      pipelines: { ingest: { complaint: 'silent', isConnected: true } },
    });
    // On a machine that is busy more than the silence may pass between the event and the question.
    const speakAndAsk = async (): Promise<number> => {
      await hub.publish('a', '1');
      return (await ask(`${url}/health`)).status;
    };
    await expect.poll(speakAndAsk, { timeout: 10_000, interval: 20 }).toBe(200);
  });

  it('is not healthy while a pipeline fails, and names it and the code', async () => {
    await using hub = await HubServer.start({ drainMs: 0 });
    const block = (name: string, channel: string): string =>
      `  ${name}: {source.url: "${hub.url}/subscribe/${channel}", sink.file.dir: ./${name}}\n`;
    await writeFile(join(folder.path, 'tidegate.yaml'), `pipelines:\n${block('good', 'a')}${block('bad', 'a/b/c')}`);
    await using ingest = start(['ingest', ...AT], { cwd: folder.path });
    const [, url = ''] = await ingest.stdout.until(URL_LINE);
    await expect.poll(async () => (await ask(`${url}/health`)).status, { timeout: 5000 }).toBe(503);
    expect((await ask(`${url}/health`)).body).toMatchObject({
      pipelines: { bad: { complaint: 'failed', code: 'source-refused' }, good: { state: 'running' } },
    });
    expect(await metric(url, 'tidegate_ingest_failures_total{pipeline="bad"}')).toBeGreaterThan(0);
    await expect.poll(async () => (await ask(`${url}/ready`)).status, { timeout: 5000 }).toBe(200);
  });

  it('says how many events came in each interval, as the system before it did', async () => {
    await using hub = await HubServer.start({ drainMs: 0 });
    const flags = ['--url', `${hub.url}/subscribe/a`, '--sink.file.dir', './archive', '--log.reportMs', '200'];
    await using ingest = start(['ingest', ...flags], { cwd: folder.path });
    await ingest.stdout.until(/Connected to the source/);
    await hub.publish('a', '1');
    await hub.publish('a', '2');
    await ingest.stdout.until(/SSE received \[[12]\] events between \[\d{13}\] and \[\d{13}\]/);
    const counts = (): number =>
      [...ingest.stdout.text.matchAll(/SSE received \[(\d+)\]/g)].reduce((sum, [, count]) => sum + Number(count), 0);
    await expect.poll(counts, { timeout: 5000 }).toBe(2);
    // It counts each event once, and not all since the start again.
    await ingest.stdout.until(/SSE received \[0\][^]*SSE received \[0\]/);
    expect(counts()).toBe(2);
  });

  it('shows all pipelines in one line on a terminal', async () => {
    await using hub = await HubServer.start({ drainMs: 0 });
    const block = (name: string): string =>
      `  ${name}: {source.url: "${hub.url}/subscribe/${name}?last=all", sink.file.dir: ./${name}}\n`;
    await writeFile(join(folder.path, 'tidegate.yaml'), `pipelines:\n${block('a')}${block('b')}`);
    await using ingest = start(['ingest'], { cwd: folder.path, isTTY: true });
    await hub.publish('a', '1');
    await hub.publish('b', '2');
    await ingest.stderr.until(/2\/2 connected {2}● 2 events/);
    expect(ingest.stderr.text + ingest.stdout.text).not.toContain('SSE received');
  });

  it('does not start where its port is in use', async () => {
    await using hub = await HubServer.start({ drainMs: 0 });
    const flags = ['--url', hub.url, '--sink.file.dir', './archive', '--metrics.port', String(hub.port)];
    await using ingest = start(['ingest', ...flags], { cwd: folder.path });
    expect(await ingest.exit).toBe(1);
    expect(ingest.stderr.text).toContain(`Cannot listen on 127.0.0.1:${hub.port}: the port is in use`);
  });
});
