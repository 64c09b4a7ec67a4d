import { defineConfig } from 'vitest/config';

/** `npm run test:asan`: the native tests with the sanitized metactl-init. */
export default defineConfig({
  test: {
    include: ['test/integration/native/{launch,join,unsandboxed,pid1,plan-fuzz,user-namespace}.test.ts'],
    setupFiles: ['test/fixtures/native/asan-setup.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
