import { mintToken } from '../../hub/index.js';
import { readSecret } from '../auth-options.js';
import type { Settings } from '../config/index.js';
import { CliError } from '../errors.js';
import type { Command } from '../verbs.js';

/** `tidegate token APPLICATION USER`: prints a token for development, and nothing of the secret that signed it. */
export const token: Command = async ({ args, settings, io }) => {
  const [application = '', user = ''] = args;
  if (application === '' || user === '')
    throw new CliError('bad-value', 'Cannot make a token for nobody: APPLICATION and USER must not be empty');
  const secret = await readSecret(settings, io.cwd);
  const text = await mintToken({
    secret,
    application,
    user,
    lifetimeMs: settings.lifetimeMs,
    audience: settings['auth.jwt.audience'],
    tokenId: settings.jti,
    grants: grantsOf(settings),
    nowMs: Date.now(),
  });
  io.stdout.write(`${text}\n`);
};

/** No grant at all leaves the claim out, and so the decision to the hub. */
function grantsOf({
  subscribe,
  publish,
  connections,
  users,
  operate,
}: Settings): Readonly<Record<string, unknown>> | undefined {
  const isGranted = subscribe.length > 0 || publish.length > 0 || connections !== 'none' || users || operate !== 'none';
  return isGranted ? { subscribe, publish, connections, users, operate } : undefined;
}
