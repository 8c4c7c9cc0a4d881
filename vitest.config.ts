import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** The engine's worker threads are TypeScript here, like all that they import. */
const hooks = new URL('./test/base/typescript-hooks.mjs', import.meta.url).href;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // All cores: Vitest leaves one out, which is half of a machine with two.
    maxWorkers: availableParallelism(),
    setupFiles: ['test/base/poison.ts'],
    execArgv: ['--import', hooks],
  },
});
