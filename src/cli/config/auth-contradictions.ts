import { CliError } from '../errors.js';
import { both, contradiction, given, where } from './contradiction.js';
import type { Origins } from './contradiction.js';
import type { Key, Settings } from './table.js';

const SECRETS = ['auth.jwt.secret', 'auth.jwt.secretFile'] as const;
const PUBLIC_KEYS = ['auth.jwt.jwksUrl', 'auth.jwt.keyFile'] as const;
const API_KEYS = ['auth.apiKeys', 'auth.apiKeysFile'] as const;

/** Why a hub could not check what its callers send, or would not although it looks so. */
export function authOfHub(settings: Settings, origins: Origins): CliError | undefined {
  const { auth } = settings;
  if (auth === 'jwt') return keysOfTokens(settings, origins);
  if (auth === 'apiKey') {
    if (given(settings, API_KEYS).length === 0)
      return new CliError('missing-value', 'Cannot use auth apiKey without a key: give --auth.apiKeys NAME:SHA256');
    return unused(settings, origins, [...SECRETS, ...PUBLIC_KEYS, 'auth.cookie']);
  }
  // Whoever sets one of them believes that the hub asks who is there.
  return unused(settings, origins, [...SECRETS, ...PUBLIC_KEYS, ...API_KEYS, 'auth.cookie']);
}

/** Why `tidegate token` could not sign. */
export function secretOfToken(settings: Settings, origins: Origins): CliError | undefined {
  const algorithm = settings['auth.jwt.algorithm'];
  if (algorithm !== 'HS256')
    return contradiction(
      `Cannot make a token with auth.jwt.algorithm ${algorithm}: only a secret (HS256) can sign here`,
    );
  return (
    both(origins, given(settings, SECRETS)) ??
    missing(
      settings,
      SECRETS,
      'make a token without a secret: set TIDEGATE_AUTH_JWT_SECRET or give --auth.jwt.secretFile',
    )
  );
}

function keysOfTokens(settings: Settings, origins: Origins): CliError | undefined {
  const algorithm = settings['auth.jwt.algorithm'];
  const [fitting, others] = algorithm === 'HS256' ? [SECRETS, PUBLIC_KEYS] : [PUBLIC_KEYS, SECRETS];
  const [wrong] = given(settings, others);
  if (wrong !== undefined)
    return contradiction(
      `Cannot use ${wrong}${where(origins, wrong)} with auth.jwt.algorithm ${algorithm}: it takes ${fitting.join(' or ')}`,
    );
  return (
    both(origins, given(settings, fitting)) ??
    missing(settings, fitting, `check tokens by ${algorithm} without a key: give --${fitting.join(' or --')}`)
  );
}

function unused(settings: Settings, origins: Origins, keys: readonly Key[]): CliError | undefined {
  const [key] = given(settings, keys);
  if (key === undefined) return undefined;
  return contradiction(
    `Cannot use ${key}${where(origins, key)} with auth ${settings.auth}${where(origins, 'auth')}: nobody would look at it; ${cureOf(key)}`,
  );
}

/** How a hub comes to look at a setting of authentication. */
function cureOf(key: Key): string {
  if (SECRETS.some((secret) => secret === key))
    return 'give --auth jwt, or --preset notifications (JWT_SECRET, REDIS_HOST)';
  return API_KEYS.some((apiKey) => apiKey === key) ? 'give --auth apiKey, or --auth jwt' : 'give --auth jwt';
}

function missing(settings: Settings, keys: readonly Key[], what: string): CliError | undefined {
  return given(settings, keys).length > 0 ? undefined : new CliError('missing-value', `Cannot ${what}`);
}
