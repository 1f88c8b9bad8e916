export { processEnvironment, renderReference } from './config/index.js';
export type { Io, Output } from './io.js';
export { runCli } from './run.js';
