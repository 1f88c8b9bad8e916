import { BlockList, isIP } from 'node:net';
import { CliError } from '../errors.js';
import type { Origins } from './contradiction.js';
import { isLocalAddress } from '../../runtime/index.js';
import type { Origin } from './origin.js';
import type { Key, Settings } from './table.js';

type Variables = Readonly<Record<string, string | undefined>>;

/** A proxy that the environment names, and the variable that does. */
interface EnvironmentProxy {
  readonly url: string;
  readonly variable: string;
}

/** What is written for `source.proxy` to use none, whatever the environment says. */
const NONE = 'none';

/**
 * `settings` with the proxy of the environment where they name none themselves, and without the word `none`.
 * @throws CliError `bad-value`: the variable holds no proxy that can be used; its value is left out.
 */
export function withEnvironmentProxy<Given extends { readonly settings: Settings; readonly origins: Origins }>(
  given: Given,
  env: Variables,
): Given {
  const { settings, origins } = given;
  const { 'source.url': url, 'source.proxy': proxy } = settings;
  if (proxy === NONE) return { ...given, settings: { ...settings, 'source.proxy': undefined } };
  if (proxy !== undefined || url === undefined || !URL.canParse(url)) return given;
  const found = findEnvironmentProxy(new URL(url), env);
  if (found === undefined) return given;
  return {
    ...given,
    settings: { ...settings, 'source.proxy': found.url },
    origins: new Map<Key, Origin>(origins).set('source.proxy', { kind: 'variable', name: found.variable }),
  };
}

/**
 * The proxy for `url` by the variables that curl reads (its manual, ENVIRONMENT): HTTP_PROXY or HTTPS_PROXY by the URL's
 * scheme, then ALL_PROXY; not for whom NO_PROXY names; the spelling in lower case first. Two things differ. curl never
 * reads HTTP_PROXY in upper case, as a CGI program has there what the header `Proxy` of a request said; we read
 * it, for containers often have no other, but not beside REQUEST_METHOD, by which such programs are known. And
 * the loopback needs no NO_PROXY: a proxy elsewhere has another one.
 * @throws CliError `bad-value`.
 */
export function findEnvironmentProxy(url: URL, env: Variables): EnvironmentProxy | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (
    isLocalAddress(host) ||
    host.endsWith('.localhost') ||
    isExempt(host, url.port || DEFAULT_PORTS[url.protocol], env)
  )
    return undefined;
  const variable = namesFor(url.protocol, env).find((name) => (env[name] ?? '') !== '');
  if (variable === undefined) return undefined;
  const text = env[variable] ?? '';
  const proxy = text.includes('://') ? text : `http://${text}`;
  if (!/^https?:\/\/\S+$/.test(proxy) || !URL.canParse(proxy))
    throw new CliError(
      'bad-value',
      `Cannot use this value for the proxy (variable ${variable}): it must be an http:// or https:// URL; source.proxy ${NONE} goes without`,
    );
  return { url: proxy, variable };
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

function namesFor(protocol: string, env: Variables): readonly string[] {
  const all = ['all_proxy', 'ALL_PROXY'];
  if (protocol === 'https:') return ['https_proxy', 'HTTPS_PROXY', ...all];
  return ['http_proxy', ...(env['REQUEST_METHOD'] === undefined ? ['HTTP_PROXY'] : []), ...all];
}

/** NO_PROXY: `*`, or names (of a host, or of a domain with all hosts in it), addresses and networks, each with a port or without. */
function isExempt(host: string, port: string | undefined, env: Variables): boolean {
  const list = [env['no_proxy'], env['NO_PROXY']].find((text) => text !== undefined && text !== '') ?? '';
  const entries = list.toLowerCase().split(/[\s,]+/);
  return entries.some((entry) => {
    if (entry === '*') return true;
    const { name, ofPort } = splitPort(entry);
    return name !== '' && (ofPort === undefined || ofPort === port) && isNamed(host, name);
  });
}

/** Colons alone tell no port: they are an IPv6 address's own. */
function splitPort(entry: string): { readonly name: string; readonly ofPort: string | undefined } {
  const [, bracketed, bare, ofPort] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
  return { name: bracketed ?? bare ?? entry, ofPort };
}

function isNamed(host: string, name: string): boolean {
  if (isIP(host) !== 0)
    return name.includes('/') ? isInNetwork(host, networkOf(name)) : isInNetwork(host, addressOf(name));
  const domain = name.replace(/^\*?\./, '').replace(/\.$/, '');
  const bare = host.replace(/\.$/, '');
  return domain !== '' && (bare === domain || bare.endsWith(`.${domain}`));
}

function isInNetwork(host: string, network: BlockList): boolean {
  const version = isIP(host);
  return version !== 0 && network.check(host, version === 6 ? 'ipv6' : 'ipv4');
}

/** Empty where `text` is no network. */
function networkOf(text: string): BlockList {
  const network = new BlockList();
  const [address = '', bits = ''] = text.split('/');
  const version = isIP(address);
  if (version !== 0 && /^\d+$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32))
    network.addSubnet(address, Number(bits), version === 6 ? 'ipv6' : 'ipv4');
  return network;
}

function addressOf(text: string): BlockList {
  return networkOf(`${text}/${isIP(text) === 6 ? 128 : 32}`);
}
