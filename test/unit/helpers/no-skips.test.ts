import { afterEach, expect, test, vi } from 'vitest';
import type { TestModule } from 'vitest/node';
import { NoSkips, skippedTests } from '../../helpers/no-skips.ts';

function moduleWith(states: readonly string[]): TestModule {
  const tests = states.map((state, i) => ({ fullName: `suite > test ${i}`, result: () => ({ state }) }));
  return { relativeModuleId: 'a.test.ts', children: { allTests: () => tests } } as unknown as TestModule;
}

afterEach(() => {
  vi.restoreAllMocks();
});

test('skipped and todo tests are found, others not', () => {
  expect(skippedTests([moduleWith(['passed', 'failed'])])).toEqual([]);
  expect(skippedTests([moduleWith(['passed', 'skipped', 'pending'])])).toEqual([
    'a.test.ts > suite > test 1',
    'a.test.ts > suite > test 2',
  ]);
});

test('a skipped test makes the run fail and is named', () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {});
  const before = process.exitCode;
  try {
    new NoSkips().onTestRunEnd([moduleWith(['passed'])]);
    expect(process.exitCode).toBe(before);
    new NoSkips().onTestRunEnd([moduleWith(['skipped'])]);
    expect(process.exitCode).toBe(1);
    expect(print.mock.calls.flat().join('')).toContain('a.test.ts > suite > test 0');
  } finally {
    process.exitCode = before;
  }
});
