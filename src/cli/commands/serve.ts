import { createConfiguredHub, listen, stopHub } from '../hub-service.js';
import { createServiceLogger, explainListen, untilAborted } from '../service.js';
import { readTls } from '../tls-files.js';
import type { Command } from '../verbs.js';

/** `tidegate serve`: a hub until the process is told to stop; then it drains. */
export const serve: Command = async (context) => {
  const { settings, io } = context;
  const logger = createServiceLogger(context);
  const tls = await readTls(settings, io.cwd);
  await using hub = createConfiguredHub(settings, logger);
  const address = { host: settings['http.host'], port: settings['http.port'] };
  const server = await listen(hub, { ...address, ...(tls === undefined ? {} : { tls }) }).catch((error: unknown) => {
    throw explainListen(error, address.host, address.port);
  });
  logger.info({ url: server.url, page: `${server.url}/` }, 'Hub listening');
  await untilAborted(io.signal);
  logger.info({ drainMs: settings['hub.drainMs'] }, 'Hub draining');
  await stopHub(hub, server);
  logger.info({}, 'Hub stopped');
};
