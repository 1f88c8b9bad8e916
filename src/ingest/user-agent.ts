import { readFileSync } from 'node:fs';

const packageFile = new URL('../../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { readonly version: string };

/** Says to an upstream's operators who reads their stream and where to complain. */
export const USER_AGENT = `tidegate/${version} (+https://github.com/tidegate/tidegate)`;
