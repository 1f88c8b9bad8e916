export { removeTemporaryFiles, syncFolder, writeFileAtomic } from './atomic-file.js';
export { listenForHangup } from './hangup.js';
export { isLocalAddress, readListenAddress, withoutBrackets } from './listen-address.js';
export type { ListenAddress } from './listen-address.js';
export { createLogger, LOG_FORMATS, LOG_LEVELS } from './logger.js';
export type { LogDestination, LogFormat, Logger, LoggerOptions, LogLevel } from './logger.js';
export {
  addCounter,
  addEventLoopLag,
  addGauge,
  addHistogram,
  addLabelledCounter,
  addLabelledGauge,
  addSeries,
  createMetricsRegistry,
  mergeMetrics,
} from './metrics.js';
export type { MetricsRegistry, Sample } from './metrics.js';
export { createFile, createFolder, createOwnFile } from './private-files.js';
export { listenForShutdown } from './shutdown.js';
export type { Shutdown, ShutdownOptions, SignalSource } from './shutdown.js';
export { readWebhookSecret, signatureHeaders, WEBHOOK_SECRET_BYTES_ADVISED } from './webhook-signature.js';
export type { Signable, WebhookKey } from './webhook-signature.js';
