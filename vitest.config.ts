import { defineConfig } from 'vitest/config';

/** The engine's worker threads are TypeScript here, like all that they import. */
const hooks = new URL('./test/base/typescript-hooks.mjs', import.meta.url).href;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    setupFiles: ['test/base/poison.ts'],
    execArgv: ['--import', hooks],
  },
});
