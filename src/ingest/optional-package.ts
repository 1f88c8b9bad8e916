import { IngestError } from './errors.js';

/**
 * What `load` imports, for packages that are not installed with Tidegate.
 * @throws IngestError `package-missing`, with the command that installs `packages`.
 */
export async function loadOptional<T>(
  load: () => Promise<T>,
  { usedBy, packages }: { readonly usedBy: string; readonly packages: readonly string[] },
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    const command = `npm install ${packages.join(' ')}`;
    throw new IngestError('package-missing', `Cannot use ${usedBy} without its package: run "${command}"`, {
      cause: error,
    });
  }
}
