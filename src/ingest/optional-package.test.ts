import { describe, expect, it } from 'vitest';
import { loadOptional } from './optional-package.js';

const need = { usedBy: 'the x sink', packages: ['x', '@y/z'] };

describe('loadOptional()', () => {
  it('is what is imported', async () => {
    expect(await loadOptional(() => Promise.resolve(7), need)).toBe(7);
  });

  it('says how to install what is missing', async () => {
    const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    await expect(loadOptional(() => Promise.reject(missing), need)).rejects.toMatchObject({
      code: 'package-missing',
      message: 'Cannot use the x sink without its package: run "npm install x @y/z"',
    });
  });

  it('passes on any other failure', async () => {
    await expect(loadOptional(() => Promise.reject(new Error('broken')), need)).rejects.toThrow('broken');
  });
});
