import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../test/support/capturing-logger.js';
import { ManualClock } from '../../test/support/clocks.js';
import { IngestError } from './errors.js';
import type { Pipeline, PipelineOutcome } from './pipeline.js';
import type { PipelineDefinition } from './pipeline-keeper.js';
import { PipelineSet } from './pipeline-set.js';

/** Pipelines that run until they are stopped or told how to end, and what happened to them. */
class Stage {
  readonly steps: string[] = [];
  readonly #endings = new Map<string, (outcome: PipelineOutcome) => void>();
  readonly #begun: (() => void)[] = [];

  define(name: string, fingerprint = ''): PipelineDefinition {
    return { name, fingerprint, silenceMs: 0, create: () => Promise.resolve(this.#create(`${name}${fingerprint}`)) };
  }

  end(name: string, outcome: PipelineOutcome): void {
    this.#endings.get(name)?.(outcome);
  }

  /** Resolves when so many runs have begun. */
  async begun(runs: number): Promise<void> {
    while (this.steps.filter((step) => step.startsWith('run')).length < runs)
      await new Promise<void>((resolve) => this.#begun.push(resolve));
  }

  #create(name: string): Pipeline {
    return {
      run: async (signal) => {
        this.steps.push(`run ${name}`);
        for (const wake of this.#begun.splice(0)) wake();
        const outcome = await new Promise<PipelineOutcome>((resolve) => {
          this.#endings.set(name, resolve);
          signal.addEventListener('abort', () => resolve({ kind: 'stopped' }), { once: true });
          if (signal.aborted) resolve({ kind: 'stopped' });
        });
        this.steps.push(`${outcome.kind} ${name}`);
        return outcome;
      },
      stats: () => {
        throw new Error('Nobody asks for it here');
      },
    };
  }
}

const failed: PipelineOutcome = { kind: 'failed', code: 'source-refused', message: 'No' };

describe('PipelineSet', () => {
  it('apply() leaves the same alone, and begins nothing before all that must stop has stopped', async () => {
    const [stage, stop] = [new Stage(), new AbortController()];
    const set = new PipelineSet({ logger: createCapturingLogger() });
    const running = set.run([stage.define('a'), stage.define('b'), stage.define('c')], stop.signal);
    await stage.begun(3);
    const changes = await set.apply([stage.define('a'), stage.define('b', '2'), stage.define('d')]);
    expect(changes).toEqual({ started: ['d'], changed: ['b'], stopped: ['c'] });
    await stage.begun(5);
    expect(stage.steps.slice(3, 5).toSorted()).toEqual(['stopped b', 'stopped c']);
    expect(stage.steps.slice(5).toSorted()).toEqual(['run b2', 'run d']);
    stop.abort();
    expect([...(await running)]).toEqual(['a', 'b', 'd'].map((name) => [name, { kind: 'stopped' }]));
  });

  it('apply() refuses two of one name and changes nothing', async () => {
    const [stage, stop] = [new Stage(), new AbortController()];
    const set = new PipelineSet({ logger: createCapturingLogger() });
    const running = set.run([stage.define('a')], stop.signal);
    await stage.begun(1);
    const twice = set.apply([stage.define('b'), stage.define('b')]);
    await expect(twice).rejects.toMatchObject(new IngestError('invalid-option', 'Cannot run two pipelines named "b"'));
    expect(stage.steps).toEqual(['run a']);
    stop.abort();
    await running;
  });

  it('run() tries a pipeline that failed again, later, while the others go on', async () => {
    const [stage, stop, clock] = [new Stage(), new AbortController(), new ManualClock()];
    const set = new PipelineSet({ logger: createCapturingLogger(), clock });
    const running = set.run([stage.define('a'), stage.define('b')], stop.signal);
    await stage.begun(2);
    stage.end('a', failed);
    await clock.waitForTimers();
    expect(stage.steps).toEqual(['run a', 'run b', 'failed a']);
    clock.advance(5000);
    await stage.begun(3);
    stage.end('a', { kind: 'ended' });
    stage.end('b', { kind: 'ended' });
    expect([...(await running).values()]).toEqual([{ kind: 'ended' }, { kind: 'ended' }]);
  });

  it('run() is over with a pipeline that failed where it shall not be tried again', async () => {
    const stage = new Stage();
    const set = new PipelineSet({ logger: createCapturingLogger(), onFailure: 'end' });
    const running = set.run([stage.define('a')], new AbortController().signal);
    await stage.begun(1);
    stage.end('a', failed);
    expect([...(await running)]).toEqual([['a', failed]]);
  });

  it('apply() begins nothing once the set is told to stop', async () => {
    const [stage, stop] = [new Stage(), new AbortController()];
    const set = new PipelineSet({ logger: createCapturingLogger() });
    const running = set.run([stage.define('a')], stop.signal);
    await stage.begun(1);
    stop.abort();
    await set.apply([stage.define('b')]);
    await running;
    expect(stage.steps).toEqual(['run a', 'stopped a']);
  });
});
