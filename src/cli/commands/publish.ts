import { createPublisher } from '../../client/index.js';
import type { Publisher } from '../../client/index.js';
import { checkChannelName } from '../../protocol/index.js';
import { hubAccessOf } from '../client-options.js';
import { CliError } from '../errors.js';
import { publishStream } from '../publish-stream.js';
import { batchLines, readEvent } from '../stdin-events.js';
import type { Command, CommandContext } from '../verbs.js';

/** `tidegate publish CHANNEL [DATA]`: prints the id of the event, or of the last one of each batch. */
export const publish: Command = async (context) => {
  const { settings, io } = context;
  const [channel = '', data] = context.args;
  checkChannelName(channel);
  checkUse(context, data);
  const access = await hubAccessOf(settings, io.cwd);
  if (settings.sse) {
    const { id, published } = await publishStream({ ...access, channel, body: io.stdin, signal: io.signal });
    io.stdout.write(`${id}\n`);
    io.stderr.write(`published ${published} events\n`);
    return;
  }
  const publisher = createPublisher(access);
  if (data === undefined) return publishLines(context, publisher, channel);
  const { id } = await publisher.publish(channel, {
    data,
    ...(settings.event === undefined ? {} : { event: settings.event }),
    ...(settings.id === undefined ? {} : { id: settings.id }),
  });
  io.stdout.write(`${id}\n`);
};

function checkUse({ settings }: CommandContext, data: string | undefined): void {
  const input = settings.sse ? '--sse' : '--ndjson';
  if (data !== undefined && (settings.sse || settings.ndjson))
    throw new CliError('contradiction', `Cannot use DATA together with ${input}, which reads standard input`);
  if (data === undefined && settings.id !== undefined)
    throw new CliError('contradiction', 'Cannot use --id for what is read from standard input: ids would repeat');
  if (settings.sse && settings.event !== undefined)
    throw new CliError('contradiction', 'Cannot use --event together with --sse: the body names its own types');
}

/** As many lines as are there go out together, so that a fast writer costs few requests and a slow one no delay. */
async function publishLines({ settings, io }: CommandContext, publisher: Publisher, channel: string): Promise<void> {
  let published = 0;
  for await (const batch of batchLines(io.stdin, io.signal)) {
    const events = batch.lines.map((line, index) =>
      readEvent(line, { number: batch.firstNumber + index, isJson: settings.ndjson, type: settings.event }),
    );
    try {
      const result = await publisher.publishBatch(channel, events);
      published += result.published;
      io.stdout.write(`${result.id}\n`);
    } catch (error) {
      if (published > 0) io.stderr.write(`published ${published} events before it failed\n`);
      throw error;
    }
  }
}
