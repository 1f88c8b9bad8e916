import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startForegroundServer } from '../support/foreground-server.js';
import { freePort } from '../support/free-port.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

/** The ports of 127.0.0.1 on which a proxy listens and behind which the hub is. */
interface Ports {
  readonly port: number;
  readonly hub: number;
}

export interface ProxyKind {
  readonly name: string;
  readonly program: string;
  /** The least that makes it a reverse proxy; all else as it comes, or as Debian's own file has it. */
  readonly configuration: (ports: Ports) => string;
  /** Its arguments for a configuration file in a folder of its own. */
  readonly args: (file: string, folder: string) => readonly string[];
}

const MODULES = '/usr/lib/apache2/modules';

export const PROXIES: readonly ProxyKind[] = [
  {
    name: 'nginx',
    program: '/usr/sbin/nginx',
    configuration: ({ port, hub }) => `
events {}
http {
  access_log off;
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${hub}; }
  }
}
`,
    args: (file, folder) => ['-p', folder, '-c', file, '-e', 'stderr', '-g', 'daemon off;'],
  },
  {
    name: 'HAProxy',
    program: '/usr/sbin/haproxy',
    // The times are those of Debian's /etc/haproxy/haproxy.cfg.
    configuration: ({ port, hub }) => `
defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
frontend web
  bind 127.0.0.1:${port}
  default_backend hub
backend hub
  server hub 127.0.0.1:${hub}
`,
    args: (file) => ['-db', '-q', '-f', file],
  },
  {
    name: 'Caddy',
    program: '/usr/bin/caddy',
    configuration: ({ port, hub }) => `
{
  admin off
  log {
    level ERROR
  }
}
http://127.0.0.1:${port} {
  reverse_proxy 127.0.0.1:${hub}
}
`,
    args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
  },
  {
    name: 'Apache',
    program: '/usr/sbin/apache2',
    configuration: ({ port, hub }) => `
ServerName localhost
Listen 127.0.0.1:${port}
PidFile httpd.pid
ErrorLog error.log
LogLevel crit
User www-data
Group www-data
LoadModule mpm_event_module ${MODULES}/mod_mpm_event.so
LoadModule authz_core_module ${MODULES}/mod_authz_core.so
LoadModule proxy_module ${MODULES}/mod_proxy.so
LoadModule proxy_http_module ${MODULES}/mod_proxy_http.so
ProxyPass / http://127.0.0.1:${hub}/
`,
    args: (file, folder) => ['-d', folder, '-f', file, '-D', 'FOREGROUND'],
  },
];

export function isInstalled({ program }: ProxyKind): boolean {
  return existsSync(program);
}

export interface RunningProxy extends AsyncDisposable {
  readonly url: string;
}

/** Starts a proxy before the hub on that port. */
export async function startProxy({ program, configuration, args }: ProxyKind, hub: number): Promise<RunningProxy> {
  const folder = await createTemporaryFolder();
  const port = await freePort();
  const file = join(folder.path, 'proxy.conf');
  await writeFile(file, configuration({ port, hub }));
  const server = await startForegroundServer({
    program,
    args: args(file, folder.path),
    port,
    env: { HOME: folder.path, XDG_DATA_HOME: folder.path, XDG_CONFIG_HOME: folder.path },
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
