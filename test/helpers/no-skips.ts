import type { Reporter, TestModule } from 'vitest/node';

/** Names of the tests that did not run: `file > suite > test`. */
export function skippedTests(modules: readonly TestModule[]): string[] {
  return modules.flatMap((module) =>
    [...module.children.allTests()]
      .filter((test) => ['skipped', 'pending'].includes(test.result().state))
      .map((test) => `${module.relativeModuleId} > ${test.fullName}`),
  );
}

/**
 * A skipped or todo test proves nothing: in CI it makes the run fail. Listed before vitest's own reporter, so that the
 * summary stays the last thing printed.
 */
export class NoSkips implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = skippedTests(modules);
    if (skipped.length === 0) return;
    process.exitCode = 1;
    console.error(`\nskipped, which counts as failed in CI:\n${skipped.map((name) => `  ${name}`).join('\n')}`);
  }
}
