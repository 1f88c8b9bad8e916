// `npm start`: sets itself up, then runs the demo; arguments go to it.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { ensureBuilt, ensureInstalled, root } from './setup.mjs';

if (!ensureInstalled() || !ensureBuilt()) process.exit(1);

// In this process: one in between would pass Ctrl-C on a second time, and might outlive or be outlived.
const main = join(root, 'dist', 'cli', 'main.js');
process.argv.splice(1, 1, main, 'demo');
await import(pathToFileURL(main).href);
