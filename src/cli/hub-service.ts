import { createHub, createRedisHub, listen } from '../hub/index.js';
import type { ChannelRule, Hub, HubOptions, HubServer, RedisOptions } from '../hub/index.js';
import { isLocalAddress, readListenAddress } from '../runtime/index.js';
import type { Logger } from '../runtime/index.js';
import { authOptionsOf } from './auth-options.js';
import type { Settings } from './config/index.js';
import { CliError } from './errors.js';
import type { FileRoom } from './open-files.js';
import { webhookOptionsOf } from './webhook-options.js';

/** A hub's options as the settings have them. */
export async function hubOptionsOf(settings: Settings, logger: Logger, cwd: string): Promise<HubOptions> {
  return {
    history: {
      events: settings['history.events'],
      bytes: settings['history.bytes'],
      ageMs: settings['history.ageMs'],
      totalBytes: settings['history.totalBytes'],
    },
    limits: {
      connections: settings['limits.connections'],
      connectionsPerAddress: settings['limits.connectionsPerAddress'],
      connectionsPerUser: settings['limits.connectionsPerUser'],
      connectionsPerToken: settings['limits.connectionsPerToken'],
      publishPerSecond: settings['limits.publishPerSecond'],
      channels: settings['limits.channels'],
      channelsPerConnection: settings['limits.channelsPerConnection'],
      eventBytes: settings['limits.eventBytes'],
      bodyBytes: settings['limits.bodyBytes'],
      bodiesBytes: settings['limits.bodiesBytes'],
    },
    heartbeatMs: settings['hub.heartbeatMs'],
    pingMs: settings['hub.pingMs'],
    retryMs: settings['hub.retryMs'],
    stallTimeoutMs: settings['hub.stallTimeoutMs'],
    drainMs: settings['hub.drainMs'],
    maxStreamMs: settings['hub.maxStreamMs'],
    auth: await authOptionsOf(settings, cwd),
    webhooks: await webhookOptionsOf(settings, cwd),
    channels: settings['channel.slow'].map(readRule),
    channelTtlMs: settings['channel.ttlMs'],
    compression: settings['http.compression'],
    cors: { origins: settings['http.cors.origins'], headers: settings['http.cors.headers'] },
    trustedProxies: settings['http.trustedProxies'],
    hosts: hostsOf(settings),
    anonymousChannel: settings['hub.anonymousChannel'],
    ...(settings['hub.serverProperty'] === undefined ? {} : { serverProperty: settings['hub.serverProperty'] }),
    ...(settings['node.id'] === undefined ? {} : { nodeId: settings['node.id'] }),
    logger,
  };
}

/**
 * Without authentication on loopback, a foreign page could reach the hub through a browser on this machine; no page can
 * reach a Unix socket.
 */
function hostsOf(settings: Settings): readonly string[] {
  const [hosts, host] = [settings['http.hosts'], settings['http.host']];
  const isOpen = settings.auth !== 'none' || !isLocalAddress(host) || readListenAddress(host).kind === 'unix';
  return hosts.length === 0 && isOpen ? ['*'] : hosts;
}

interface HubSurroundings {
  readonly logger: Logger;
  readonly cwd: string;
  readonly room: FileRoom | undefined;
}

/** The option that says how many streams this process has room for. */
export function connectionsIn(room: FileRoom | undefined): Pick<HubOptions, 'connectionsHere'> {
  return room === undefined ? {} : { connectionsHere: room.connectionsMax };
}

/** A hub in this process; with `redis.url`, one of several on that Redis. @throws CliError where it cannot be used. */
export async function openHub(settings: Settings, { logger, cwd, room }: HubSurroundings): Promise<Hub> {
  const options = { ...(await hubOptionsOf(settings, logger, cwd)), ...connectionsIn(room) };
  const redis = redisOptionsOf(settings);
  if (redis === undefined) return createHub(options);
  try {
    return await createRedisHub({ ...options, redis });
  } catch (error) {
    throw error instanceof Error ? new CliError('failed', error.message) : error;
  }
}

function redisOptionsOf(settings: Settings): RedisOptions | undefined {
  const url = settings['redis.url'];
  const sentinels = settings['redis.sentinels'];
  if (url === undefined && sentinels.length === 0) return undefined;
  return {
    ...(url === undefined ? {} : { url }),
    sentinels,
    cluster: settings['redis.cluster'],
    master: settings['redis.master'],
    prefix: settings['redis.prefix'],
    waitReplicas: settings['redis.waitReplicas'],
    commandTimeoutMs: settings['redis.commandTimeoutMs'],
    leaseMs: settings['redis.leaseMs'],
    bridgeUsers: settings['redis.bridgeUsers'],
    bridgeChannels: settings['redis.bridgeChannels'],
  };
}

/** `prices.*=latest:/symbol`, in the form that the table has checked. */
function readRule(text: string): ChannelRule {
  const [match = '', policy = ''] = text.split('=', 2);
  const mark = policy.indexOf(':');
  if (mark !== -1) return { match, slow: 'latest', key: text.slice(text.indexOf(':', match.length) + 1) };
  return { match, slow: policy === 'disconnect' || policy === 'latest' ? policy : 'gap' };
}

/** Sends subscribers away, ends what is left and stops listening, in bounded time. */
export async function stopHub(hub: Hub, server: HubServer): Promise<void> {
  await hub.drain();
  await hub.close();
  await server.close();
}

export { listen };
