import type { Settings } from './table.js';

/** Defaults of `serve` that make it what another program was; whatever is set beats them. */
export const PRESETS = {
  // Tokens without grants read their own application's connections there.
  notifications: {
    auth: 'jwt',
    'auth.jwt.connections': 'read',
    'http.host': '0.0.0.0',
    'redis.bridgeUsers': true,
  },
} as const satisfies Readonly<Record<string, Partial<Settings>>>;

export type PresetName = keyof typeof PRESETS;
