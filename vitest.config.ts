import { defineConfig } from 'vitest/config';
import { NoSkips } from './test/helpers/no-skips.ts';

/**
 * unit: pure code, no root, no addon. integration: root on the real kernel; one file after the other, because kernel
 * objects (links, cgroups, nft tables) are global and every test checks that nothing of it stays. system: one guest
 * after the other, since two at once take each other's processor and run into their time limits. Each project begins when the one
 * before has ended.
 */
export default defineConfig({
  test: {
    reporters: process.env.CI ? [new NoSkips(), 'default'] : ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: ['test/helpers/property-seed.ts'],
          include: ['test/unit/**/*.test.ts'],
          // All processors; vitest's own default leaves one idle.
          maxWorkers: '100%',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          // Times and races of a shared machine; a fault fails three times. By hand there is no second try.
          retry: process.env.CI ? 2 : 0,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          retry: process.env.CI ? 2 : 0,
          // Emulated: everything takes ten times as long.
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
