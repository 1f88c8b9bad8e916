import { Cluster, Redis } from 'ioredis';

/** Where Redis is. */
export interface RedisPlace {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any; several nodes of a cluster in a list. */
  readonly urls: readonly string[];
  /** Sentinels, asked for the master's address; `urls` then gives user and password. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  /** The master's name at the sentinels. */
  readonly master: string;
}

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export { Cluster, Redis };

const RETRY_MS_MAX = 1000;
export const CONNECT_MS = 5000;

/** How long to wait before connecting once more, by how often it failed. */
export function retryMs(times: number): number {
  return Math.min(times * 50, RETRY_MS_MAX);
}

/** A connection to the one Redis, or to the one that the sentinels name. */
export function openRedis({ urls, sentinels, master }: RedisPlace, options: object): Redis {
  const [url = ''] = urls;
  if (sentinels.length === 0) return new Redis(url, options);
  return new Redis({ ...options, ...credentialsOf(url), sentinels: [...sentinels], name: master });
}

/** A connection to one node of a cluster, with the credentials of `urls`. */
export function openNode({ urls }: RedisPlace, node: RedisNode, options: object): Redis {
  return new Redis({ ...options, ...credentialsOf(urls[0] ?? ''), host: node.host, port: node.port });
}

export function credentialsOf(url: string): { username?: string; password?: string; tls?: object } {
  const { username, password, protocol } = new URL(url);
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A word on what happened that holds no secret: an error's code, or that with which Redis refused. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  // Of a cluster none of whose nodes answers.
  if (error instanceof Error && 'lastNodeError' in error) return reasonOf(error.lastNodeError);
  return /\b(?:[A-Z]{6,}|OOM)\b/.exec(messageOf(error))?.[0] ?? 'connection lost';
}
