import { CliError } from '../errors.js';
import { both, contradiction, given, where } from './contradiction.js';
import type { Origins } from './contradiction.js';
import type { Key, Settings } from './table.js';

interface Hook {
  readonly url: 'webhooks.url' | 'auth.webhook.url';
  readonly secrets: readonly Key[];
  /** What holds only with the URL. */
  readonly others: readonly Key[];
}

const NOTIFY: Hook = {
  url: 'webhooks.url',
  secrets: ['webhooks.secret', 'webhooks.secretFile'],
  others: ['webhooks.events', 'webhooks.timeoutMs', 'webhooks.maxAgeMs', 'webhooks.waiting'],
};
const AUTHORIZE: Hook = {
  url: 'auth.webhook.url',
  secrets: ['auth.webhook.secret', 'auth.webhook.secretFile'],
  others: ['auth.webhook.timeoutMs', 'auth.webhook.onFailure', 'auth.webhook.cacheMs'],
};

/** Why a hub could not call other servers, or would not although it looks so. */
export function webhooksOfHub(settings: Settings, origins: Origins): CliError | undefined {
  return faultOf(NOTIFY, settings, origins) ?? faultOf(AUTHORIZE, settings, origins) ?? unsigned(settings);
}

function faultOf({ url, secrets, others }: Hook, settings: Settings, origins: Origins): CliError | undefined {
  const text = settings[url];
  if (text !== undefined) return both(origins, given(settings, secrets)) ?? withPassword(text, url, origins);
  const idle = [...given(settings, secrets), ...others.filter((key) => origins.has(key))][0];
  // Whoever sets one of them believes that somebody is told, or asked.
  return idle && contradiction(`Cannot use ${idle}${where(origins, idle)} without ${url}: nobody would be called`);
}

/** Such a URL ends up in logs of proxies; the signature says who is calling. */
function withPassword(text: string, key: Key, origins: Origins): CliError | undefined {
  const { username, password } = new URL(text);
  if (username === '' && password === '') return undefined;
  return new CliError('bad-value', `Cannot use ${key}${where(origins, key)}: it holds a user or a password`);
}

function unsigned(settings: Settings): CliError | undefined {
  if (settings[NOTIFY.url] === undefined || given(settings, NOTIFY.secrets).length > 0) return undefined;
  return new CliError(
    'missing-value',
    'Cannot tell webhooks.url anything without a secret to sign with: set TIDEGATE_WEBHOOKS_SECRET or give --webhooks.secretFile',
  );
}
