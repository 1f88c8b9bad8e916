import { choice, integer, list, string, url } from './setting.js';

const SERVE = ['serve'] as const;
const WITH_TOKENS = ['serve', 'token'] as const;

/** The shape of a list of channels with stars. */
export const PATTERN = {
  placeholder: 'channel',
  expectedItem: 'a channel, with * for any characters',
  item: /^[\p{L}\p{M}\p{N}._~:@!$&'()+,;=*-]{1,200}$/u,
  // A channel's name may hold a comma.
  separator: '\n',
} as const;

/** The part of the table that says how callers prove who they are. */
export const AUTH = {
  'auth.jwt.secret': string({
    doc: 'The secret that tokens are signed with (HS256); better in a variable or a file than on a command line.',
    verbs: WITH_TOKENS,
    default: undefined,
    legacy: [{ name: 'JWT_SECRET' }],
    isSecret: true,
  }),
  'auth.jwt.secretFile': string({
    doc: 'A file that holds the secret; the line break at its end does not count.',
    verbs: WITH_TOKENS,
    default: undefined,
    placeholder: 'file',
  }),
  'auth.jwt.jwksUrl': url({
    doc: 'Where the public keys of tokens are, as a JWK set.',
    verbs: SERVE,
    default: undefined,
  }),
  'auth.jwt.keyFile': string({
    doc: 'The public keys of tokens: a key in PEM, or a JWK set.',
    verbs: SERVE,
    default: undefined,
    placeholder: 'file',
  }),
  'auth.jwt.algorithm': choice(['HS256', 'RS256', 'ES256', 'EdDSA'], {
    doc: 'How tokens are signed; one that is signed in another way is refused.',
    verbs: WITH_TOKENS,
    default: 'HS256',
  }),
  'auth.jwt.audience': string({
    doc: 'Tokens must be for this audience (aud).',
    verbs: WITH_TOKENS,
    default: undefined,
  }),
  'auth.jwt.issuers': list<string>({
    doc: 'Applications (iss) that are served; none: any.',
    verbs: SERVE,
    default: [],
    placeholder: 'application',
    expectedItem: 'an application',
    item: /^[^\r\n\0]{1,256}$/,
  }),
  'auth.jwt.toleranceMs': integer({
    doc: 'How far the clocks of hub and issuer may be apart.',
    verbs: SERVE,
    default: 5000,
    unit: 'ms',
    max: 600_000,
  }),
  'auth.jwt.subscribe': list<string>({
    doc: 'What a token without grants may subscribe to; may be repeated. Its own stream it always may.',
    verbs: SERVE,
    default: [],
    ...PATTERN,
  }),
  'auth.jwt.publish': list<string>({
    doc: 'What a token without grants may publish to; may be repeated.',
    verbs: SERVE,
    default: [],
    ...PATTERN,
  }),
  'auth.jwt.connections': choice(['none', 'read', 'manage'], {
    doc: 'What a token without grants may do with the connections of its application: nothing, see them, or also end them.',
    verbs: SERVE,
    default: 'none',
  }),
  'auth.jwt.operate': choice(['none', 'read'], {
    doc: 'What a token without grants may know of how the hub runs: nothing, or read its metrics.',
    verbs: SERVE,
    default: 'none',
  }),
  'auth.cookie': string({
    doc: 'A cookie that may hold a token, for pages of the hub and of listed origins.',
    verbs: SERVE,
    default: undefined,
    placeholder: 'name',
    shape: { pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, expected: 'the name of a cookie' },
  }),
  'auth.apiKeys': list<string>({
    doc: 'A key of a server, as name:sha256 or name:sha256:grants, such as "publish=orders.* users=true application=shop".',
    verbs: SERVE,
    default: [],
    placeholder: 'key',
    expectedItem: 'name:sha256 or name:sha256:grants',
    item: /^[A-Za-z0-9._-]{1,100}:[0-9A-Fa-f]{64}(:[^\r\n\0]*)?$/,
    separator: '\n',
    isSecret: true,
  }),
  'auth.apiKeysFile': string({
    doc: 'A file with such a key on each line; lines that begin with # do not count.',
    verbs: SERVE,
    default: undefined,
    placeholder: 'file',
  }),
} as const;
