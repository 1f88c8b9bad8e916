import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { CheckName, InteropClient, Runtime } from './clients.js';
import { CHECKS } from './clients.js';

const PAGE = 'docs/clients.md';
const DRIVERS = 'test/interop/drivers';
/** The files that pin the clients' versions. */
const MANIFESTS = new Set(['package.json', 'requirements.txt', 'go.mod', 'pom.xml', 'Cargo.toml']);

/** The folder of the driver that pins and uses a client, and how the page names its place and language. */
const PLACES: Readonly<
  Record<
    Runtime,
    { readonly folder: string; readonly label: string; readonly language: string; readonly registry: string }
  >
> = {
  node: { folder: 'node', label: 'Node.js', language: 'js', registry: 'npm' },
  chromium: { folder: 'node', label: 'Chromium', language: 'js', registry: 'npm' },
  firefox: { folder: 'node', label: 'Firefox', language: 'js', registry: 'npm' },
  python: { folder: 'python', label: 'Python', language: 'python', registry: 'PyPI' },
  go: { folder: 'go', label: 'Go', language: 'go', registry: 'Go' },
  java: { folder: 'java', label: 'Java', language: 'java', registry: 'Maven Central' },
  rust: { folder: 'rust', label: 'Rust', language: 'rust', registry: 'crates.io' },
  curl: { folder: 'curl', label: 'shell', language: 'bash', registry: 'Debian' },
};

/** What is in a marked part of the page now, and what a run says that it should be; written there when asked. */
export function documented(part: string, wanted: string): { readonly is: string; readonly wanted: string } {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [`<!-- begin ${part} -->\n`, `<!-- end ${part} -->`];
  const from = page.indexOf(begin) + begin.length;
  const to = page.indexOf(end);
  if (from < begin.length || to < from) throw new Error(`${PAGE} has no part ${part}`);
  if (process.env['TIDEGATE_WRITE_DOCS'] !== '1') return { is: page.slice(from, to), wanted };
  writeFileSync(PAGE, page.slice(0, from) + wanted + page.slice(to));
  return { is: wanted, wanted };
}

/** The table of clients and checks, from what a run saw. */
export function clientTable(
  clients: readonly InteropClient[],
  seen: (client: InteropClient, check: CheckName) => string,
): string {
  const rows = clients.map((client) => [
    title(client),
    PLACES[client.runtime].label,
    client.reconnects,
    ...CHECKS.map((check) => seen(client, check)),
  ]);
  return table(['client', 'in', 'reconnects', ...CHECKS], rows);
}

/** What each client needs, with the lines of its driver. */
export function clientSamples(clients: readonly InteropClient[]): string {
  return clients
    .map((client) => {
      const { language } = PLACES[client.runtime];
      const code = client.sample === undefined ? sampleOf(client) : undefined;
      const fence = client.name === 'htmx' || client.name === 'datastar' ? 'html' : language;
      return [
        `### ${title(client)} in ${PLACES[client.runtime].label}\n`,
        `${client.needs}\n`,
        ...(code === undefined ? [] : [`\`\`\`${fence}\n${code}\n\`\`\`\n`]),
      ].join('\n');
    })
    .join('\n');
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function title(client: InteropClient): string {
  const { registry } = PLACES[client.runtime];
  if (client.package === undefined) return client.name;
  return `${client.package.replace(/-[234]$/, '')} ${pinnedVersion(client)} (${registry})`;
}

function pinnedVersion({ package: name = '', runtime }: InteropClient): string {
  const escaped = name.replace(/[^\w]/g, String.raw`\$&`);
  const version = new RegExp(String.raw`${escaped}(?![\w-])[^\d]*(\d+(?:\.\d+)+)`).exec(
    sources(runtime, (file) => MANIFESTS.has(file)),
  )?.[1];
  if (version === undefined) throw new Error(`No version of ${name} is pinned in ${DRIVERS}`);
  return version;
}

/** The lines between `sample <name>` and `end` in the driver's source, without the indent that they share. */
function sampleOf({ name, runtime }: InteropClient): string {
  const text = sources(runtime === 'chromium' || runtime === 'firefox' ? 'browser' : runtime);
  const escaped = name.replace(/[^\w]/g, String.raw`\$&`);
  const found = new RegExp(String.raw`^[^\n]*\bsample ${escaped}(?: -->)?\n(.*?)\n[^\n\w]*end\b`, 'ms').exec(text)?.[1];
  if (found === undefined) throw new Error(`No sample of ${name} in ${DRIVERS}`);
  const lines = found.split('\n');
  const indent = Math.min(...lines.filter((line) => line !== '').map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(indent)).join('\n');
}

/** The files of a driver, one behind the other. */
function sources(runtime: Runtime | 'browser', isWanted: (file: string) => boolean = isSource): string {
  const folder = join(DRIVERS, runtime === 'browser' ? runtime : PLACES[runtime].folder);
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && isWanted(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}

function isSource(file: string): boolean {
  return /\.(js|mjs|py|go|java|rs|sh)$/.test(file);
}
