// Builds dist/: the modules with tsc, the web page with Vite.
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root, run, tool } from './setup.mjs';

rmSync(join(root, 'dist'), { recursive: true, force: true });
const isBuilt =
  run(tool('tsc'), ['-p', 'tsconfig.build.json']) &&
  run(tool('vite'), ['build', '--config', 'src/ui/vite.config.ts', '--logLevel', 'warn']);
if (!isBuilt) process.exit(1);
chmodSync(join(root, 'dist', 'cli', 'main.js'), 0o755);
// Tells `npm start` that this build is whole, and when it was made.
writeFileSync(join(root, 'dist', '.built'), '');
