import { readFile } from 'node:fs/promises';
import { createEventParser } from 'tidegate/protocol';

/** Recorded answers of real models, used when they lie beside the repository. */
const RECORDINGS = new URL('../../../shared/data/llm/', import.meta.url);
const RECORDED = [
  'groq_model_thinking_part_iter.0.sse',
  'anthropic_model_thinking_part_stream.0.sse',
  'openai_responses_compact_stateful_mode_stream.0.sse',
];
const BUILT_IN = `A tide gate lets water through in one direction only. When the tide falls, the river behind it pushes it \
open and runs out to the sea. When the tide rises, the sea pushes it shut, and the fields behind it stay dry.

A stream of tokens is such a river. It runs from the model to you, and if your connection drops, nothing has to run \
twice: the hub has kept what you missed, and your browser tells it where you were.

Reload this page while I am still talking. I go on where I am, and you lose not a word.`;

/** An answer as the pieces in which a model would produce it: the `count`th recording there is, or a text of its own. */
export async function answerTokens(count) {
  const recordings = (await Promise.all(RECORDED.map(readRecording))).filter((tokens) => tokens.length > 0);
  return recordings[count % Math.max(1, recordings.length)] ?? BUILT_IN.match(/\s*\S+/g) ?? [];
}

async function readRecording(name) {
  const tokens = [];
  try {
    const bytes = await readFile(new URL(name, RECORDINGS));
    const parser = createEventParser({ onEvent: ({ data }) => tokens.push(...tokensOf(data)) });
    parser.push(bytes);
    parser.end();
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return tokens;
}

/** The text in one event of a model's API: OpenAI's two forms and those alike, and Anthropic's. */
function tokensOf(data) {
  if (!data.startsWith('{')) return [];
  const event = JSON.parse(data);
  const texts = [
    ...(event.choices ?? []).map(({ delta }) => delta?.content),
    event.type === 'content_block_delta' ? event.delta.text : undefined,
    event.type === 'response.output_text.delta' ? event.delta : undefined,
  ];
  return texts.filter((text) => typeof text === 'string' && text !== '');
}
