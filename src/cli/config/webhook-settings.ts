import { choice, integer, list, string, url } from './setting.js';

const SERVE = ['serve'] as const;

/** The part of the table that says which other servers a hub calls. A URL may be as good as a password: it is not shown. */
export const WEBHOOKS = {
  'auth.webhook.url': url({
    doc: 'Asked before anybody may subscribe or publish, once the grants have allowed it.',
    verbs: SERVE,
    default: undefined,
    isSecret: true,
  }),
  'auth.webhook.secret': string({
    doc: 'What these questions are signed with: whsec_ and base64, or any text. Without it they are not signed.',
    verbs: SERVE,
    default: undefined,
    isSecret: true,
  }),
  'auth.webhook.secretFile': string({
    doc: 'A file that holds this secret; the line break at its end does not count.',
    verbs: SERVE,
    default: undefined,
    placeholder: 'file',
  }),
  'auth.webhook.timeoutMs': integer({
    doc: 'How long a verdict may take, waiting in line included.',
    verbs: SERVE,
    default: 1000,
    unit: 'ms',
    min: 1,
    max: 60_000,
  }),
  'auth.webhook.onFailure': choice(['deny', 'allow'], {
    doc: 'What happens where there is no verdict: the request is refused, or let through.',
    verbs: SERVE,
    default: 'deny',
  }),
  'auth.webhook.cacheMs': integer({
    doc: 'How long a verdict holds for the same question; 0: each is asked.',
    verbs: SERVE,
    default: 0,
    unit: 'ms',
    max: 3_600_000,
  }),
  'webhooks.url': url({
    doc: 'Told of connections that opened and closed.',
    verbs: SERVE,
    default: undefined,
    isSecret: true,
  }),
  'webhooks.secret': string({
    doc: 'What webhooks are signed with: whsec_ and base64, or any text.',
    verbs: SERVE,
    default: undefined,
    isSecret: true,
  }),
  'webhooks.secretFile': string({
    doc: 'A file that holds this secret; the line break at its end does not count.',
    verbs: SERVE,
    default: undefined,
    placeholder: 'file',
  }),
  'webhooks.events': list<'opened' | 'closed'>({
    doc: 'What webhooks tell of a connection: opened, closed.',
    verbs: SERVE,
    default: ['opened', 'closed'],
    placeholder: 'event',
    expectedItem: 'opened or closed',
    item: /^(opened|closed)$/,
  }),
  'webhooks.timeoutMs': integer({
    doc: 'How long the receiver may take for one.',
    verbs: SERVE,
    default: 5000,
    unit: 'ms',
    min: 1,
    max: 600_000,
  }),
  'webhooks.maxAgeMs': integer({
    doc: 'How long one is tried, 20 times at most; then it is dropped.',
    verbs: SERVE,
    default: 600_000,
    unit: 'ms',
  }),
  'webhooks.waiting': integer({
    doc: 'Webhooks that may wait, in each worker; over it the oldest is dropped.',
    verbs: SERVE,
    default: 10_000,
    min: 1,
    max: 1_000_000,
  }),
} as const;
