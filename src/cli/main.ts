#!/usr/bin/env node
import { listenForHangup } from '../runtime/index.js';
import { processEnvironment, runCli } from './index.js';
import { listenForStop } from './stop-signal.js';

/** What a verb left open (a client that keeps its connection, a terminal as input) may not hold the process longer. */
const LINGER_MS = 500;

/** As of a program that SIGPIPE ended (128 + 13), so that no supervisor takes it for done. */
const READER_GONE = 141;

using stop = listenForStop();
// `tidegate subscribe … | head -1`
for (const output of [process.stdout, process.stderr])
  output.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? READER_GONE : 1));
process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: processEnvironment(),
  cwd: process.cwd(),
  signal: stop.signal,
  onHangup: listenForHangup,
});
setTimeout(() => process.exit(), LINGER_MS).unref();
