import type { Target } from './target.js';

/** What a caller needs for a route; `open` is everybody, without being asked who they are (PROTOCOL.md, 11.11). */
export type RouteAccess =
  | 'open'
  | 'own-stream'
  | 'subscribe'
  | 'publish'
  | 'publish-to-users'
  | 'read-connections'
  | 'manage-connections'
  | 'read-operations';

/** Which part of the hub answers. */
export type RouteHandler = 'stream' | 'publish' | 'management' | 'page';

/** One row of the table; `HEAD` is answered wherever `GET` is, with the same access. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Segments in braces are parameters. */
  readonly path: string;
  readonly access: RouteAccess;
  readonly handler: RouteHandler;
}

/** Parameters of a path by their names, decoded. */
export type PathParameters = Readonly<Record<string, string>>;

/** What the hub has at one path. */
export interface RouteMatch {
  /** By method. */
  readonly routes: ReadonlyMap<string, Route>;
  readonly parameters: PathParameters;
}

const management = { handler: 'management' } as const;

/**
 * Every route of the hub but the files of its page; what is not here is refused. Open are only those that must work
 * without credentials: load balancers and orchestrators send none with `/health` and `/ready`; `/openapi.json` and the
 * page are the same in every hub and hold nothing of this one.
 */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/', access: 'open', handler: 'page' },
  { method: 'GET', path: '/health', access: 'open', ...management },
  { method: 'GET', path: '/ready', access: 'open', ...management },
  { method: 'GET', path: '/openapi.json', access: 'open', ...management },
  { method: 'GET', path: '/metrics', access: 'read-operations', ...management },
  { method: 'GET', path: '/subscribe', access: 'subscribe', handler: 'stream' },
  { method: 'GET', path: '/subscribe/{channel}', access: 'subscribe', handler: 'stream' },
  { method: 'GET', path: '/sse', access: 'own-stream', handler: 'stream' },
  { method: 'POST', path: '/publish', access: 'publish', handler: 'publish' },
  { method: 'POST', path: '/publish/{channel}', access: 'publish', handler: 'publish' },
  { method: 'POST', path: '/publish/users/{application}/{user}', access: 'publish-to-users', handler: 'publish' },
  { method: 'GET', path: '/channels', access: 'subscribe', ...management },
  { method: 'GET', path: '/channels/{channel}', access: 'subscribe', ...management },
  { method: 'DELETE', path: '/channels/{channel}', access: 'publish', ...management },
  { method: 'GET', path: '/channels/{channel}/history', access: 'subscribe', ...management },
  { method: 'GET', path: '/connections/{application}', access: 'read-connections', ...management },
  { method: 'GET', path: '/connections/{application}/{user}', access: 'read-connections', ...management },
  { method: 'GET', path: '/connections/{application}/{user}/{connection}', access: 'read-connections', ...management },
  {
    method: 'DELETE',
    path: '/connections/{application}/{user}/{connection}',
    access: 'manage-connections',
    ...management,
  },
  { method: 'POST', path: '/tokens/revoke', access: 'manage-connections', ...management },
];

/** What a port of its own answers, to everybody who reaches it (`metrics.port`). */
export const OPERATIONS_ROUTES: readonly Route[] = ['/health', '/ready', '/metrics'].map((path) => ({
  method: 'GET',
  path,
  access: 'open',
  handler: 'management',
}));

interface KnownPath {
  readonly pattern: readonly string[];
  readonly routes: Map<string, Route>;
}

/** Finds what a table has at a path. */
export class RouteTable {
  readonly #byLength = new Map<number, KnownPath[]>();

  /** No two paths of `routes` may match the same segments. */
  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  /** Undefined if nothing is there. `segments` are those of a canonical path. */
  find(segments: readonly string[]): RouteMatch | undefined {
    for (const { pattern, routes } of this.#byLength.get(segments.length) ?? []) {
      const parameters = matchSegments(pattern, segments);
      if (parameters !== undefined) return { routes, parameters };
    }
    return undefined;
  }

  #add(route: Route): void {
    const pattern = route.path === '/' ? [] : route.path.slice(1).split('/');
    const known = this.#byLength.get(pattern.length) ?? [];
    this.#byLength.set(pattern.length, known);
    const same = known.find((other) => other.pattern.join('/') === pattern.join('/'));
    if (same !== undefined) same.routes.set(route.method, route);
    else known.push({ pattern, routes: new Map([[route.method, route]]) });
  }
}

/** What `table` has at a target; nothing outside the base path. */
export function findRoute(table: RouteTable, { path, segments }: Target): RouteMatch | undefined {
  return path === undefined ? undefined : table.find(segments);
}

/** The value of `Allow` at a path. */
export function allowedMethods({ routes }: RouteMatch): string {
  const methods = [...routes.keys()].flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  return [...methods, 'OPTIONS'].join(', ');
}

const NO_PARAMETERS: PathParameters = {};

function matchSegments(pattern: readonly string[], segments: readonly string[]): PathParameters | undefined {
  let parameters: Record<string, string> | undefined;
  for (const [at, part] of pattern.entries()) {
    const segment = segments[at] ?? '';
    if (part.startsWith('{')) (parameters ??= {})[part.slice(1, -1)] = segment;
    else if (part !== segment) return undefined;
  }
  return parameters ?? NO_PARAMETERS;
}
