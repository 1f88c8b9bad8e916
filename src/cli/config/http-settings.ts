import { choice, integer, list, string } from './setting.js';

const SERVE = ['serve'] as const;
const HUB = ['serve', 'demo'] as const;

/** The part of the table that says how the hub listens, and to whom. */
export const HTTP = {
  'http.host': string({
    doc: 'The address to listen on, or unix: and the path of a Unix socket. Beyond this machine, auth must be on or --insecure given.',
    verbs: ['serve', 'demo', 'replay'],
    default: '127.0.0.1',
    placeholder: 'address',
    aliases: [{ flag: '--host' }],
  }),
  'http.port': integer({
    doc: 'The port to listen on; 0: any free one.',
    verbs: ['serve', 'demo', 'replay'],
    default: 8080,
    verbDefaults: { replay: 8090 },
    max: 65_535,
    aliases: [{ flag: '-p' }, { flag: '--port' }, { flag: '--http.server.port', isLegacy: true }],
    legacy: [{ name: 'HTTP_PORT' }, { name: 'HTTP_SERVER_PORT' }, { name: 'APP_PORT' }],
  }),
  'http.tls.cert': string({
    doc: 'A certificate in PEM, with its chain: serve HTTPS, as HTTP/2 and HTTP/1.1.',
    verbs: SERVE,
    default: undefined,
    placeholder: 'file',
  }),
  'http.tls.key': string({
    doc: 'The private key of http.tls.cert in PEM, without a passphrase.',
    verbs: SERVE,
    default: undefined,
    placeholder: 'file',
  }),
  'http.cors.origins': list<string>({
    doc: 'Origins whose pages may subscribe and publish; * for any.',
    verbs: HUB,
    default: [],
    placeholder: 'origin',
    expectedItem: '* or such as https://app.example',
    item: /^(\*|https?:\/\/[^/\s]+)$/,
    legacy: [{ name: 'HTTP_SERVER_ENABLE_CORS', translate: (text) => (/^(1|t|true)$/i.test(text) ? '*' : '') }],
  }),
  'http.cors.headers': list<string>({
    doc: 'Request headers that those pages may send beside the ones that Tidegate reads.',
    verbs: SERVE,
    default: [],
    placeholder: 'header',
    expectedItem: "a header's name",
    item: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/,
  }),
  'http.trustedProxies': list<string>({
    doc: 'Proxies whose X-Forwarded-For says where a client comes from: addresses, networks such as 10.0.0.0/8, loopback (Unix sockets too) or private.',
    verbs: SERVE,
    default: [],
    placeholder: 'proxy',
    expectedItem: 'an address, a network such as 10.0.0.0/8, loopback or private',
    item: /^(loopback|private|[0-9A-Fa-f.:]+(\/\d{1,3})?)$/,
  }),
  'http.hosts': list<string>({
    doc: 'Host names that requests may name beside IP addresses and names without a dot, such as localhost; * for any. With auth none on loopback no others are answered, else only where this is set.',
    verbs: HUB,
    default: [],
    placeholder: 'host',
    expectedItem: '* or a host name without a port',
    item: /^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$/,
  }),
  'http.compression': choice(['gzip', 'none'], {
    doc: 'How streams are sent to clients that accept it: each flush compressed once for all of them, or plain.',
    verbs: HUB,
    default: 'gzip',
  }),
} as const;
