import { describe, expect, it } from 'vitest';
import type { Ending } from '../../../src/host/host.ts';
import { describeEnding } from '../../../src/supervisor/ending-text.ts';

const ending = (changes: Partial<Ending>): Ending => ({
  code: undefined,
  signal: undefined,
  coreDumped: false,
  oomKilled: false,
  sandboxDied: false,
  userTime: 0,
  systemTime: 0,
  maxRss: 0,
  ...changes,
});
const LIMITS = { memoryMax: 32 * 2 ** 20 };

describe('how a daemon ended', () => {
  it.each<[Partial<Ending>, string]>([
    [{ code: 7 }, 'ended with status 7'],
    [{ signal: 15 }, 'died of SIGTERM'],
    [{ signal: 11, coreDumped: true }, 'died of SIGSEGV (core dumped)'],
    [{ signal: 63 }, 'died of signal 63'],
    [{ sandboxDied: true }, 'ended with its sandbox: PID 1 of the sandbox was killed'],
    [{ signal: 9 }, 'died of SIGKILL'],
    [{ signal: 9, oomKilled: true }, 'was killed by the kernel: out of memory (memory-max 32m)'],
    [{ sandboxDied: true, oomKilled: true }, 'was killed by the kernel: out of memory (memory-max 32m)'],
    [
      { code: 137, oomKilled: true },
      'ended with status 137; the kernel had killed a process of it: out of memory (memory-max 32m)',
    ],
  ])('%j', (end, text) => {
    expect(describeEnding(ending(end), LIMITS)).toBe(text);
  });

  it('names the limit only where there is one, in the unit that fits', () => {
    const killed = ending({ signal: 9, oomKilled: true });
    expect(describeEnding(killed, {})).toBe('was killed by the kernel: out of memory');
    expect(describeEnding(killed, { memoryMax: 1536 * 1024 })).toMatch(/ \(memory-max 1536k\)$/);
  });
});
