import type { Key, Loaded, Settings, VerbName } from './config/index.js';
import type { Io } from './io.js';

/** What a verb gets to work with. */
export interface CommandContext {
  readonly settings: Settings;
  readonly origins: Loaded['origins'];
  readonly args: readonly string[];
  readonly io: Io;
  /** The pipelines of the configuration file, for verbs that run them. */
  readonly pipelines: Loaded['pipelines'];
  /** Reads the configuration again, as at the start. @throws CliError as that. */
  readonly reload: () => Loaded;
}

/** Does the verb's work until it is done or `io.signal` aborts. @throws CliError and what its modules throw. */
export type Command = (context: CommandContext) => Promise<void>;

export interface VerbArgument {
  readonly name: string;
  readonly doc: string;
  readonly isRequired: boolean;
  readonly isVariadic?: boolean;
  readonly choices?: readonly string[];
  /** Whether a shell completes it with file names. */
  readonly isFile?: boolean;
}

export interface Verb {
  readonly summary: string;
  /** More, where one line does not say it. */
  readonly description?: string;
  readonly alias?: string;
  readonly args: readonly VerbArgument[];
  readonly examples: readonly string[];
  /** The options to begin with, where a verb has more than help can show at once; default: all of them. */
  readonly first?: readonly Key[];
  /** Loaded when it runs: `tidegate --help` needs no hub. */
  readonly load: () => Promise<Command>;
}

/** What most pipelines are made of; with them help fits a screen. */
const FIRST_OF_INGEST: readonly Key[] = [
  'source.url',
  'source.headers',
  'source.file',
  'source.stdin',
  'source.redis.stream',
  'filter.types',
  'filter.match',
  'format',
  'sink.file.dir',
  'sink.s3.bucket',
  'sink.s3.prefix',
  'sink.kinesis.stream',
  'sink.firehose.stream',
  'sink.hub.url',
  'sink.redis.url',
  'sink.http.url',
  'sink.stdout',
  'data.dir',
  'metrics.port',
  'config',
];

const URL_ARG: VerbArgument = { name: 'url', doc: 'The SSE endpoint.', isRequired: true };
const FILE_ARG: VerbArgument = { name: 'file', doc: 'A recording or any SSE body.', isRequired: true, isFile: true };

/** The verbs, in the order in which help lists them. */
export const VERB_TABLE: Readonly<Record<VerbName, Verb>> = {
  serve: {
    summary: 'Run a hub: publish over HTTP, subscribe with EventSource',
    alias: 'start',
    args: [],
    examples: ['tidegate serve', 'tidegate serve --port 9000 --history.ageMs 1h'],
    load: async () => (await import('./commands/serve.js')).serve,
  },
  ingest: {
    summary: 'Take events in (SSE, NDJSON, files, Redis) to files, S3, Kinesis, Firehose, Redis, HTTP or a hub',
    description:
      'Goes on where it was after a crash. One source, one sink or more; several pipelines stand in tidegate.yaml.\nWith -s, -u and -r it takes the flags of the SSE ingest on Fargate: -h NAME,VALUE,… for headers, -t, -rms and -rt.',
    args: [],
    examples: [
      'tidegate ingest --url https://stream.wikimedia.org/v2/stream/recentchange --sink.file.dir ./archive',
      'tidegate ingest --url https://example.com/sse --sink.s3.bucket archive --sink.s3.prefix news/',
      'tidegate ingest --source.file rows.ndjson --source.idField /id --sink.stdout',
      'tidegate ingest -u https://example.com/sse -s STREAM -r eu-central-1 -h X-Key,secret -t edit,log',
    ],
    first: FIRST_OF_INGEST,
    load: async () => (await import('./commands/ingest.js')).ingest,
  },
  plan: {
    summary: 'Say what ingest would do with this configuration, and what is hardly meant',
    description: 'Takes the options of ingest. Writes nothing; exits 2 where ingest would refuse.',
    args: [],
    examples: [
      'tidegate plan',
      'tidegate plan --url https://example.com/sse --sink.s3.bucket archive --sink.s3.prefix news/',
      'tidegate plan --sample calm.jsonl --shards 8 --json --strict',
    ],
    first: ['sample', 'live', 'shards', 'strict', 'json', 'seconds', 'events', ...FIRST_OF_INGEST],
    load: async () => (await import('./commands/plan.js')).plan,
  },
  publish: {
    summary: 'Publish events to a channel of a hub',
    description: 'Without DATA, standard input is read: each line is an event. Prints the ids.',
    args: [
      { name: 'channel', doc: 'The channel.', isRequired: true },
      { name: 'data', doc: "The event's data.", isRequired: false },
    ],
    examples: ['tidegate publish news "Tide is turning"', 'seq 3 | tidegate publish news --event tick'],
    load: async () => (await import('./commands/publish.js')).publish,
  },
  subscribe: {
    summary: 'Print the events of channels as they come',
    description: 'Coloured on a terminal, one JSON object a line when piped. Reconnects and resumes.',
    args: [{ name: 'channel', doc: 'One channel or more.', isRequired: true, isVariadic: true }],
    examples: ['tidegate subscribe news', 'tidegate subscribe news sport --last 10 | jq .data'],
    load: async () => (await import('./commands/subscribe.js')).subscribe,
  },
  record: {
    summary: 'Record the bytes of an SSE endpoint, and their timing, to a file',
    args: [URL_ARG, { ...FILE_ARG, doc: 'The recording to write.' }],
    examples: ['tidegate record https://example.com/sse calm.jsonl --seconds 60'],
    load: async () => (await import('./commands/record.js')).record,
  },
  replay: {
    summary: 'Serve a recording or any SSE body again, with faults if you like',
    args: [FILE_ARG],
    examples: [
      'tidegate replay calm.jsonl --loop',
      'tidegate replay body.sse --rate max --faults cut,503,stall,duplicate --seed 42',
    ],
    load: async () => (await import('./commands/replay.js')).replay,
  },
  generate: {
    summary: 'Publish made-up events to a channel of a hub, or of Redis, at a rate of your choice',
    description: 'Edits of an encyclopedia, in the shape of Wikimedia’s. Stops with Ctrl-C, or after --count.',
    args: [{ name: 'channel', doc: 'The channel.', isRequired: true }],
    examples: [
      'tidegate generate news',
      'tidegate generate load --rate 5000 --count 100000',
      'tidegate generate shop:channel:ada --redis redis://127.0.0.1:6379',
    ],
    load: async () => (await import('./commands/generate.js')).generate,
  },
  demo: {
    summary: 'See it all at once: hub, source, ingest, archive and a page to look at',
    args: [],
    examples: ['tidegate demo', 'tidegate demo --url https://stream.wikimedia.org/v2/stream/recentchange'],
    load: async () => (await import('./commands/demo.js')).demo,
  },
  token: {
    summary: 'Make a token for development, signed with the secret of the hub',
    description:
      'The secret is auth.jwt.secret or auth.jwt.secretFile. Without grants, the hub decides what it may do.',
    args: [
      { name: 'application', doc: 'Who issues it (iss).', isRequired: true },
      { name: 'user', doc: 'Whom it speaks for (sub).', isRequired: true },
    ],
    examples: [
      'tidegate token shop ada --auth.jwt.secretFile ./secret',
      "tidegate token shop ada --expires 8h --subscribe news --subscribe 'orders.*' --publish 'orders.*'",
    ],
    load: async () => (await import('./commands/token.js')).token,
  },
  verify: {
    summary: 'Prove by its manifests that an archive in S3 has no gap and no duplicate',
    description: 'Exits 1 where it has one. What may be missing after the last object no archive can tell.',
    args: [],
    examples: ['tidegate verify --sink.s3.bucket archive', 'tidegate verify --sink.s3.bucket archive --deep --json'],
    load: async () => (await import('./commands/verify.js')).verify,
  },
  completion: {
    summary: 'Print a completion script for a shell',
    args: [{ name: 'shell', doc: 'bash, zsh or fish.', isRequired: true, choices: ['bash', 'zsh', 'fish'] }],
    examples: ['source <(tidegate completion bash)', 'tidegate completion fish | source'],
    load: async () => (await import('./commands/completion.js')).completion,
  },
};
