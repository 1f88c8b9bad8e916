import { join } from 'node:path';
import { build } from 'vite';
import type { Rolldown } from 'vite';

const ENTRY = 'virtual:client-entry';
const RESOLVED = `\0${ENTRY}`;

/** A minified bundle of `names` from a file of `src/client`, as an app would ship it; `format` `iife` sets `globalThis.tidegate`. */
export async function bundleClient(
  names: readonly string[],
  { file = 'index', format = 'es' }: { readonly file?: string; readonly format?: 'es' | 'iife' } = {},
): Promise<string> {
  const code = `export { ${names.join(', ')} } from ${JSON.stringify(join(process.cwd(), 'src', 'client', `${file}.ts`))};`;
  const result = (await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'client-entry',
        enforce: 'pre',
        resolveId: (id) => (id.endsWith(ENTRY) ? RESOLVED : undefined),
        load: (id) => (id === RESOLVED ? code : undefined),
      },
    ],
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      modulePreload: false,
      rolldownOptions: {
        input: ENTRY,
        preserveEntrySignatures: 'strict',
        output: { format, name: 'tidegate' },
      },
    },
  })) as Rolldown.RolldownOutput;
  const [chunk] = result.output;
  return chunk.code;
}
