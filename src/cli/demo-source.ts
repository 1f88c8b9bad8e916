import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generateBlocks, readRecording, startReplay } from './replay/index.js';
import type { Block } from './replay/index.js';

/** Where the demo's events come from. */
export interface DemoSource extends AsyncDisposable {
  readonly url: string;
  /** Unique to what is played: a checkpoint of one source means nothing to another. */
  readonly name: string;
  /** The hub channel. */
  readonly channel: string;
  /** What people are told. */
  readonly description: string;
}

/** The optional folder of recorded data lies beside the package; the project works without it. */
const RECORDED_FILE = new URL('../../../shared/data/wikimedia/recentchange.derived.sse', import.meta.url);
const GENERATED_EVENTS = 2000;

export interface DemoSourceOptions {
  /** A real endpoint instead. */
  readonly url: string | undefined;
  readonly rate: number | 'max';
  /** Default: the recorded stream that may lie beside the package. */
  readonly recordedFile?: URL;
}

/** A real endpoint where one is given, else the recorded Wikimedia stream, else made-up events. */
export async function openDemoSource({ url, ...options }: DemoSourceOptions): Promise<DemoSource> {
  if (url !== undefined) return realSource(url);
  const file = options.recordedFile ?? RECORDED_FILE;
  if (!existsSync(file)) {
    const blocks = generateBlocks({ events: GENERATED_EVENTS });
    const description = `made-up events in the shape of Wikimedia's (no recorded stream is here), ${pace(options.rate)}`;
    return playedSource(blocks, { ...options, name: 'demo-generated', description });
  }
  const { blocks } = await readRecording(fileURLToPath(file));
  const events = blocks.filter((block) => block.isEvent).length;
  const description = `${events} recorded Wikimedia edits, over and over, ${pace(options.rate)}`;
  return playedSource(blocks, { ...options, name: 'demo-wikimedia', description });
}

function realSource(url: string): DemoSource {
  const { host, origin, pathname } = new URL(url);
  return {
    url,
    name: `demo-${host}${pathname}`.replace(/[^A-Za-z0-9.-]+/g, '-').slice(0, 100),
    channel: 'events',
    description: `${origin}${pathname}`,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

interface PlayedSourceOptions {
  readonly rate: number | 'max';
  readonly name: string;
  readonly description: string;
}

async function playedSource(
  blocks: readonly Block[],
  { rate, name, description }: PlayedSourceOptions,
): Promise<DemoSource> {
  const replay = await startReplay({ blocks, rate, isLooping: true });
  return {
    url: replay.url,
    name,
    channel: 'wikimedia',
    description,
    [Symbol.asyncDispose]: () => replay.close(),
  };
}

function pace(rate: number | 'max'): string {
  return rate === 'max' ? 'as fast as they go' : `${rate} a second`;
}
