import type { WebhookOptions } from '../hub/index.js';
import { readWebhookSecret } from '../runtime/index.js';
import type { Settings } from './config/index.js';
import { CliError } from './errors.js';
import { readSecretFile } from './setting-file.js';

/**
 * Which other servers the hub calls, with the secrets that stand in files.
 * @throws CliError `unreadable-file`, `bad-value`; no message shows what a file or a secret holds.
 */
export async function webhookOptionsOf(settings: Settings, cwd: string): Promise<WebhookOptions> {
  const notify = await notifyOptions(settings, cwd);
  const authorize = await authorizeOptions(settings, cwd);
  return { ...(notify === undefined ? {} : { notify }), ...(authorize === undefined ? {} : { authorize }) };
}

async function notifyOptions(settings: Settings, cwd: string): Promise<WebhookOptions['notify']> {
  const url = settings['webhooks.url'];
  if (url === undefined) return undefined;
  return {
    url,
    // That there is one was checked with the settings.
    secret: (await readSecret(settings, 'webhooks.secret', cwd)) ?? '',
    events: settings['webhooks.events'],
    timeoutMs: settings['webhooks.timeoutMs'],
    maxAgeMs: settings['webhooks.maxAgeMs'],
    waitingMax: settings['webhooks.waiting'],
  };
}

async function authorizeOptions(settings: Settings, cwd: string): Promise<WebhookOptions['authorize']> {
  const url = settings['auth.webhook.url'];
  if (url === undefined) return undefined;
  return {
    url,
    secret: await readSecret(settings, 'auth.webhook.secret', cwd),
    timeoutMs: settings['auth.webhook.timeoutMs'],
    onFailure: settings['auth.webhook.onFailure'],
    cacheMs: settings['auth.webhook.cacheMs'],
  };
}

type SecretKey = 'webhooks.secret' | 'auth.webhook.secret';

async function readSecret(settings: Settings, key: SecretKey, cwd: string): Promise<string | undefined> {
  const secret = settings[key] ?? (await readSecretFile(settings, `${key}File`, cwd));
  if (secret === undefined) return undefined;
  try {
    readWebhookSecret(secret);
    return secret;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError('bad-value', `${reason} (${key})`, { cause: error });
  }
}
