import type { RedisLink } from './client.js';
import { RedisBackplane } from './redis.js';
import type { RedisBackplaneOptions } from './options.js';
import { SCRIPTS } from './scripts.js';
import { addressOf, explain, isFatal, judge, readFacts } from './startup.js';

/** How long Redis may take to be there when a node starts: whoever started it waits for the sentence that says why not. */
const START_MS = 1500;

/** Connects a node to Redis. @throws Error with one sentence where it cannot be used. */
export async function connectToRedis(options: RedisBackplaneOptions): Promise<RedisBackplane> {
  // Loaded only where it is asked for.
  const { RedisLink: Link } = await import('./client.js');
  const backplane = new RedisBackplane(options);
  let timer: NodeJS.Timeout | undefined;
  const refused = new Promise<never>((_, reject) => {
    const place = { address: addressOf(options), setting: 'redis.url' };
    let reason: string | undefined;
    timer = setTimeout(() => reject(new Error(explain(reason, place))), START_MS);
    const refuse = (sentence: string): void => reject(new Error(sentence));
    const begin = onceJudged(backplane, options, refuse);
    const { meta, channels } = backplane.keys;
    const link = new Link({
      ...options,
      metaKey: meta,
      channels,
      handlers: {
        onUp: () => void begin(link),
        onDown: () => backplane.down(),
        onMessage: (channel, message) => backplane.take(channel, message),
        onError: (said) => {
          reason = said;
          backplane.condition.failed(said);
          if (isFatal(said)) refuse(explain(said, place));
        },
      },
    });
    backplane.use(link);
  });
  // Later on nobody listens.
  refused.catch(() => undefined);
  try {
    await Promise.race([backplane.whenReady(START_MS * 2), refused]);
    await backplane.startBridge();
    return backplane;
  } catch (error) {
    await backplane[Symbol.asyncDispose]();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Begins each time that Redis is there; the first time, only where it can be used. */
function onceJudged(
  backplane: RedisBackplane,
  { logger }: RedisBackplaneOptions,
  refuse: (sentence: string) => void,
): (link: RedisLink) => Promise<void> {
  let isJudged = false;
  return async (link) => {
    try {
      if (!isJudged) {
        const { refusal, warnings } = judge(readFacts(await link.run(SCRIPTS.facts, [])), backplane.keys.meta);
        isJudged = true;
        if (refusal !== undefined) return refuse(refusal);
        for (const warning of warnings) logger?.warn({}, warning);
      }
      backplane.up();
    } catch {
      link.again();
    }
  };
}
