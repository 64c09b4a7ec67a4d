import { expect, it, vi } from 'vitest';
import { detectCgroups, keptCgroupFacts, plannedCgroupFacts } from '../../../src/host/linux/cgroup/index.ts';

it('facts are those of this machine, kept for ten seconds unless fresh ones are asked for', async () => {
  vi.useFakeTimers({ toFake: ['hrtime'] });
  try {
    const first = await keptCgroupFacts('web', false);
    expect(first).toEqual(detectCgroups());
    vi.advanceTimersByTime(9_999);
    expect(await keptCgroupFacts('web', false)).toBe(first);
    expect(await keptCgroupFacts('web', true)).not.toBe(first);
    const second = await keptCgroupFacts('web', false);
    vi.advanceTimersByTime(10_001);
    expect(await keptCgroupFacts('web', false)).not.toBe(second);
  } finally {
    vi.useRealTimers();
  }
});

it('a start right after the plan takes the facts that were read for it', async () => {
  vi.useFakeTimers({ toFake: ['hrtime'] });
  try {
    const planned = plannedCgroupFacts();
    vi.advanceTimersByTime(249);
    expect(await keptCgroupFacts('web', true)).toBe(planned);
    vi.advanceTimersByTime(2);
    expect(await keptCgroupFacts('web', true)).not.toBe(planned);
  } finally {
    vi.useRealTimers();
  }
});
