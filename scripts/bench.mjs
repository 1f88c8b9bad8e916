// `npm run bench`: sets itself up, then runs the benchmark; arguments go to it.
import { join } from 'node:path';

import { ensureBuilt, ensureInstalled, run } from './setup.mjs';

if (!ensureInstalled() || !ensureBuilt()) process.exit(1);
process.exit(run(process.execPath, ['--import', 'tsx', join('bench', 'main.ts'), ...process.argv.slice(2)]) ? 0 : 1);
