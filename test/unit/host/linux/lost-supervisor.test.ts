import { expect, it } from 'vitest';
import { flockHolders } from '../../../../src/host/linux/flock-holders.ts';
import { outOfMemory } from '../../../../src/host/linux/lost-supervisor.ts';

const logOf = (records: readonly string[]) => {
  const left = [...records];
  return { next: () => left.shift(), close: () => {} };
};

it('the kernel’s log tells who was killed for want of memory, of this process and by the kernel only', () => {
  const text = 'Out of memory: Killed process 4711 (node)';
  const rest = ' total-vm:1kB, anon-rss:1kB, UID:0 pgtables:1kB oom_score_adj:0';
  const say = (head: string, line = text + rest) => outOfMemory(logOf(['6,1,5,-;x', `${head};${line}`]), 4711, '10000');
  expect(say('3,2,200000000,-')).toBe(text);
  const group = 'Memory cgroup out of memory: Killed process 4711 (node)';
  expect(say('3,2,200000000,-', group + rest)).toBe(group);
  // Another one, one of before, one that a user wrote.
  expect(say('3,2,200000000,-', text.replace('4711', '47111'))).toBeUndefined();
  expect(say('3,2,90000000,-')).toBeUndefined();
  expect(say('11,2,200000000,-')).toBeUndefined();
});

it('reads who holds flocks', () => {
  const locks =
    '1: FLOCK  ADVISORY  WRITE 123 00:2a:17 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 9 00:2a:17 0 EOF\n' +
    '2: POSIX  ADVISORY  WRITE 124 00:2a:18 0 EOF\n3: FLOCK  ADVISORY  READ  125 00:2a:19 0 EOF\n' +
    '4: FLOCK  ADVISORY  WRITE 0 00:2a:20 0 EOF\n5: FLOCK  ADVISORY  WRITE 123 00:2a:21 0 EOF\n';
  expect(flockHolders(locks)).toEqual([123]);
});
