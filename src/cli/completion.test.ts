import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { renderCompletion } from './completion.js';
import type { Shell } from './completion.js';

function isInstalled(shell: Shell): boolean {
  return spawnSync(shell, ['-c', 'true']).status === 0;
}

/** What bash offers after these words. */
function complete(...words: readonly string[]): string {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const script = `${renderCompletion('bash')}
COMP_WORDS=(tidegate ${quoted}); COMP_CWORD=${words.length}
_tidegate; echo "\${COMPREPLY[*]}"`;
  return spawnSync('bash', ['-c', script]).stdout.toString().trim();
}

describe('renderCompletion()', () => {
  it.each(['bash', 'zsh', 'fish'] as const)('names the verbs and their flags (%s)', (shell) => {
    const script = renderCompletion(shell);
    for (const word of ['serve', 'subscribe', 'history.ageMs', 'faults', 'completion']) expect(script).toContain(word);
  });

  it.skipIf(!isInstalled('bash'))('is a script that bash can read', () => {
    expect(spawnSync('bash', ['-n'], { input: renderCompletion('bash') }).stderr.toString()).toBe('');
  });

  it.skipIf(!isInstalled('bash'))('completes verbs, flags and choices in bash', () => {
    expect(complete('se')).toBe('serve');
    expect(complete('start', '--history.a')).toBe('--history.ageMs');
    expect(complete('serve', '--log.level', 'de')).toBe('debug');
    expect(complete('completion', 'z')).toBe('zsh');
    expect(complete('ingest', '--sink.s3.format', 'p')).toBe('parquet');
    // Nothing of ours: the shell then offers files.
    expect(complete('ingest', '--sink.file.dir', '')).toBe('');
    expect(complete('ingest', '--sink.stdout', '--sink.file.d')).toBe('--sink.file.dir');
  });
});
