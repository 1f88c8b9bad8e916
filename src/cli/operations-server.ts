import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../base/index.js';
import { createPipelineMetrics, isReady, judgeHealth } from '../ingest/index.js';
import type { PipelineSet } from '../ingest/index.js';
import { withoutBrackets } from '../runtime/index.js';
import type { Settings } from './config/index.js';
import { explainListen } from './service.js';

interface Answer {
  readonly status: 200 | 404 | 405 | 503;
  readonly type: string;
  readonly body: string;
}

export interface OperationsServer extends AsyncDisposable {
  readonly url: string;
}

/** Each of them costs little: more at once is somebody's mistake. */
const CONNECTIONS_MAX = 100;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Answers `/metrics`, `/health` and `/ready` for pipelines; undefined where `metrics.port` is not set.
 * @throws CliError `failed` where the address cannot be had.
 */
export async function listenForOperations(
  settings: Settings,
  pipelines: PipelineSet,
): Promise<OperationsServer | undefined> {
  const [host, port] = [settings['metrics.host'], settings['metrics.port']];
  if (port === undefined) return undefined;
  const answer = createAnswers(pipelines);
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(request).then(
      (answered) => send(response, answered, request.method === 'HEAD'),
      () => response.destroy(),
    );
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, { host: withoutBrackets(host), port }).catch((error: unknown) => {
    throw explainListen(error, host, port);
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is no string
  const { address, family, port: listening } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${listening}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function createAnswers(pipelines: PipelineSet): (request: IncomingMessage) => Promise<Answer> {
  const registry = createPipelineMetrics(pipelines);
  return async ({ method, url = '' }) => {
    if (method !== 'GET' && method !== 'HEAD') return json(405, { status: 'error', detail: 'GET and HEAD only' });
    switch (url.split('?')[0] ?? '') {
      case '/metrics':
        return { status: 200, type: registry.contentType, body: await registry.metrics() };
      case '/health':
        return health(pipelines);
      case '/ready':
        return ready(pipelines);
      default:
        return json(404, { status: 'error', detail: 'There are /metrics, /health and /ready' });
    }
  };
}

function health(pipelines: PipelineSet): Answer {
  const { isHealthy, pipelines: each } = judgeHealth(pipelines.statuses(), systemClock.now());
  return json(isHealthy ? 200 : 503, { status: isHealthy ? 'ok' : 'failing', pipelines: each });
}

function ready(pipelines: PipelineSet): Answer {
  if (pipelines.isStopping) return json(503, { status: 'draining' });
  const isGood = isReady(pipelines.statuses(), pipelines.claims?.state);
  return json(isGood ? 200 : 503, { status: isGood ? 'ready' : 'starting' });
}

function json(status: Answer['status'], body: object): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(body)}\n` };
}

function send(response: ServerResponse, { status, type, body }: Answer, isHead: boolean): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(isHead ? '' : body);
}

function listen(server: Server, address: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
