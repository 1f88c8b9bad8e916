import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../test/support/capturing-logger.js';
import { JumpingClock } from '../../test/support/clocks.js';
import { answerWith, loseAnswer, loseRequest, startFakeHub } from '../../test/support/fake-hub.js';
import { hasRecordedData, RECORDED, recordedFile } from '../../test/support/recorded-data.js';
import { createTemporaryFolder } from '../../test/support/temporary-folder.js';
import { startUpstream, status } from '../../test/support/upstream.js';
import type { Step } from '../../test/support/upstream.js';
import { createSeededRandom } from '../base/index.js';
import { createFileCheckpointStore, createFileSink, createHubSink, createPipeline, createSseSource } from './index.js';

/**
 * Plays the recording on from the id it is asked for, and cuts where chance has it. The recorded ids are
 * times that events share, so none of them says where to go on exactly: each is given the event's number too.
 */
function createFaultyPlayer(recording: string, seed: number): Step {
  const recorded = recording.split('\n\n').filter((block) => block.includes('data:'));
  const blocks = recorded.map((block, index) => `${block.replace(/^id: /m, `id: ${index + 1} `)}\n\n`);
  const random = createSeededRandom(seed);
  return (response, request) => {
    const from = Number.parseInt(String(request.headers['last-event-id'] ?? 0), 10);
    if (random() < 0.2) status(503)(response, request);
    else if (from === blocks.length) status(204)(response, request);
    else {
      // In the middle of an event, of a field, of a character: wherever that byte is.
      const body = Buffer.from(blocks.slice(from).join('')).subarray(0, Math.ceil(random() * 30_000));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(body, () => (random() < 0.5 ? response.destroy() : response.end()));
    }
  };
}

function idsOf(lines: readonly string[]): string[] {
  return lines.map((line) => (JSON.parse(line) as { meta: { id: string } }).meta.id);
}

async function readArchive(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith('events-'));
  const texts = names.map(async (name) => {
    const bytes = await readFile(join(folder, name));
    return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  });
  return (await Promise.all(texts)).flatMap((text) => text.split('\n').slice(0, -1));
}

describe.skipIf(!hasRecordedData)(`createPipeline() with the recorded Wikimedia stream ${RECORDED}`, () => {
  it.each([1, 2, 3, 4, 5])(
    'brings all of it to archive and hub, through faults and restarts (seed %i)',
    async (seed) => {
      const recording = recordedFile('wikimedia', 'recentchange.derived.sse').toString();
      const player = createFaultyPlayer(recording, seed);
      await using upstream = await startUpstream(...Array.from({ length: 1000 }, () => player));
      await using hub = await startFakeHub();
      await using folder = await createTemporaryFolder();
      hub.faults.push(loseAnswer, answerWith(503), loseRequest, () => true, loseAnswer);
      const random = createSeededRandom(seed + 100);
      for (let run = 0; ; run += 1) {
        const clock = new JumpingClock();
        const stop = new AbortController();
        const checkpoint = createFileCheckpointStore({ path: join(folder.path, 'checkpoint.json'), pipeline: 'wiki' });
        const { signal } = stop;
        // The first three runs are cut short at a save of their own.
        let savesLeft = run < 3 ? 1 + Math.floor(random() * 4) : Infinity;
        const pipeline = createPipeline({
          name: 'wiki',
          source: createSseSource({ url: upstream.url, clock, idleTimeoutMs: 0 }),
          sinks: [
            {
              sink: createFileSink({
                folder: folder.path,
                gzip: true,
                rotateBytes: 20_000,
                batch: { waitMs: 0, eventsMax: 3 },
              }),
            },
            { sink: createHubSink({ url: hub.url, channel: 'wiki', clock, batch: { eventsMax: 5 } }) },
          ],
          spool: { eventsMax: 20 },
          checkpoint: {
            load: () => checkpoint.load(),
            save: async (next) => {
              await checkpoint.save(next);
              if ((savesLeft -= 1) <= 0) stop.abort();
            },
          },
          logger: createCapturingLogger(),
          clock,
        });
        const outcome = await pipeline.run(signal);
        if (outcome.kind === 'ended') break;
        expect(outcome).toEqual({ kind: 'stopped' });
        expect(run).toBeLessThan(3);
      }
      const wanted = idsOf([...recording.matchAll(/^data: (.*)$/gm)].map((match) => match[1] ?? ''));
      expect(new Set(wanted).size).toBe(100);
      expect(new Set(idsOf(await readArchive(folder.path)))).toEqual(new Set(wanted));
      expect(new Set(idsOf(hub.events.map((event) => event.data)))).toEqual(new Set(wanted));
      expect((await readdir(folder.path)).filter((name) => /tmp|part|lock/.test(name))).toEqual([]);
    },
  );
});
