import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { Claims, createPipelineMetrics, PipelineSet } from '../../src/ingest/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string };
}

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** Names in PromQL and prose alike. */
function namesIn(text: string): readonly string[] {
  return [...new Set(text.match(/\btidegate_[a-z0-9_]+/g))];
}

async function metricNames(): Promise<readonly string[]> {
  const logger = createCapturingLogger();
  const claims = new Claims({ url: 'redis://127.0.0.1:1', prefix: 'p', ttlMs: 10_000, worker: 'w', logger });
  const registry = createPipelineMetrics(new PipelineSet({ claims, logger }));
  const text = await registry.metrics();
  return [...text.matchAll(/^# HELP (\S+)/gm)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

it('deploy/prometheus/alerts.yml asks for metrics that there are', async () => {
  const known = await metricNames();
  const { groups } = parse(read('deploy/prometheus/alerts.yml')) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(10);
  for (const { alert, expr, annotations } of rules) {
    expect(alert).toMatch(/^TidegateIngest[A-Z]/);
    expect(annotations.summary).not.toBe('');
    expect(known).toEqual(expect.arrayContaining([...namesIn(expr)]));
  }
});

it('docs/ingest.md names each metric of ingest, and no other', async () => {
  const known = await metricNames();
  const named = namesIn(read('docs/ingest.md'));
  expect(known.filter((name) => !named.includes(name))).toEqual([]);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

it('docs/ingest.md says of each error code what to do', () => {
  const codes = [...read('src/ingest/errors.ts').matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(
    ([, code]) => `\`${code ?? ''}\``,
  );
  const guide = read('docs/ingest.md');
  expect(codes.length).toBeGreaterThan(20);
  expect(codes.filter((code) => !guide.includes(code))).toEqual([]);
});
