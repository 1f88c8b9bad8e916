import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { cruise } from 'dependency-cruiser';
import type { ICruiseResult } from 'dependency-cruiser';
import { beforeAll, describe, expect, test } from 'vitest';

/** Who may import whom (ARCHITECTURE.md, "Imports"). */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  base: [],
  runtime: ['base'],
  log: ['runtime', 'base'],
  client: ['protocol', 'base'],
  hub: ['protocol', 'base', 'runtime', 'log'],
  ingest: ['protocol', 'base', 'runtime', 'log', 'client'],
  ui: ['protocol', 'base', 'client'],
  cli: ['protocol', 'base', 'runtime', 'log', 'client', 'hub', 'ingest'],
};

/** Modules that run in a browser too. */
const BROWSER_SAFE = new Set(['protocol', 'base', 'client', 'ui']);

/** Libraries that one file alone may know. */
const ONE_FILE_ONLY = [
  'pino',
  'prom-client',
  'undici',
  'commander',
  'yaml',
  '@hono/node-server',
  'jose',
  'ioredis',
  '@aws-sdk/client-s3',
  '@aws-sdk/client-kinesis',
  '@aws-sdk/client-firehose',
  '@smithy/node-http-handler',
  'hyparquet-writer',
];

/** The two programs never import each other, so each has a file of its own that knows Redis. */
const ONE_FILE_IN_EACH: Readonly<Record<string, readonly string[]>> = {
  ioredis: ['src/hub/backplane/redis/client.ts', 'src/ingest/redis-client.ts'],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isPackage: boolean;
}

const sources = readdirSync('src', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));
const isTest = (path: string): boolean => path.endsWith('.test.ts');
const moduleOf = (path: string): string => path.split('/')[1] ?? '';

let seen: readonly string[] = [];
let imports: readonly Import[] = [];
let circles: readonly string[] = [];

beforeAll(async () => {
  const { output } = await cruise(['src'], {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    validate: true,
    ruleSet: {
      forbidden: [
        {
          name: 'circle',
          severity: 'error',
          from: {},
          to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only', 'dynamic-import'] } },
        },
      ],
    },
  });
  const { modules, summary } = output as ICruiseResult;
  circles = summary.violations.map(({ from, cycle }) => [from, ...(cycle ?? []).map(({ name }) => name)].join(' → '));
  seen = modules.map(({ source }) => source).filter((source) => source.startsWith('src/'));
  imports = modules
    .filter(({ source }) => source.startsWith('src/'))
    .flatMap(({ source, dependencies }) =>
      dependencies.map(({ resolved, module, dependencyTypes }) => {
        const isLocal = resolved.startsWith('src/');
        const isCore = dependencyTypes.includes('core');
        return {
          from: source,
          to: isLocal ? resolved : isCore ? `node:${module.replace(/^node:/, '')}` : module,
          isPackage: !isLocal,
        };
      }),
    );
});

describe('architecture', () => {
  test('every module of the source was read', () => {
    expect(sources.length).toBeGreaterThan(60);
    const missing = sources.filter((path) => !seen.includes(path) && !/\.d\.ts$|vite\.config\.ts$/.test(path));
    expect(missing).toEqual([]);
    expect(imports.length).toBeGreaterThan(sources.length);
  });

  test('modules import only whom they may', () => {
    const foreign = imports
      .filter(({ from, to, isPackage }) => !isPackage && !isTest(from) && moduleOf(from) !== moduleOf(to))
      .filter(({ from, to }) => !(ALLOWED[moduleOf(from)] ?? []).includes(moduleOf(to)));
    expect(foreign).toEqual([]);
  });

  test('modules import each other through their one door', () => {
    const aside = imports
      .filter(({ from, to, isPackage }) => !isPackage && moduleOf(from) !== moduleOf(to))
      .filter(({ to }) => !(basename(to) === 'index.ts' && dirname(dirname(to)) === 'src'));
    expect(aside.filter(({ from }) => !isTest(from))).toEqual([]);
  });

  test('what runs in a browser imports nothing of Node and no package but the page’s own', () => {
    const page = ['preact', '@preact/signals', 'uplot', 'vite'];
    const used = imports
      .filter(({ from, isPackage }) => isPackage && !isTest(from) && BROWSER_SAFE.has(moduleOf(from)))
      .filter(
        ({ from, to }) =>
          !(
            moduleOf(from) === 'ui' &&
            (page.some((name) => to === name || to.startsWith(`${name}/`)) ||
              to.endsWith('.css') ||
              basename(from) === 'vite.config.ts')
          ),
      );
    expect(used).toEqual([]);
  });

  test('a driver library is known to one file', () => {
    for (const library of ONE_FILE_ONLY) {
      const users = new Set(imports.filter(({ from, to }) => to === library && !isTest(from)).map(({ from }) => from));
      const known = ONE_FILE_IN_EACH[library] ?? [...users].slice(0, 1);
      expect(known).not.toEqual([]);
      expect([library, [...users].toSorted()]).toEqual([library, known]);
    }
  });

  test('no file imports itself in a circle, types and what is loaded late apart', () => {
    expect(circles).toEqual([]);
  });

  test('the environment is read in one place', () => {
    const readers = sources.filter((path) => !isTest(path) && /process\.env/.test(readFileSync(path, 'utf8')));
    expect(readers.filter((path) => !path.startsWith('src/cli/'))).toEqual([]);
    expect(readers.length).toBeLessThanOrEqual(1);
  });
});
