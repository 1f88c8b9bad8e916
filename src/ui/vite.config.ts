import { defineConfig } from 'vite';

/**
 * The page is plain files under `dist/ui`, relative to wherever the hub is mounted (`base: './'`), and
 * lives under `Content-Security-Policy: default-src 'self'`: nothing inline and no `data:` URLs.
 */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../dist/ui',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
});
