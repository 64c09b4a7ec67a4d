import { expect, it } from 'vitest';
import { hangUpSignal, watchTerminal } from '../../../src/supervisor/hang-up.ts';
import { inspect } from '../config/root.ts';

it.each([
  ['', undefined],
  ['reload-signal = SIGHUP\n', 1],
  ['reload-signal = USR2\n', 12],
])('SIGHUP reaches a daemon as the reload-signal that it sets: %j', (line, signal) => {
  expect(hangUpSignal(inspect({ node: `[daemon.web]\n${line}` }).config, 'web')).toBe(signal);
});

it('a terminal has hung up when a stream that was one is none any more', () => {
  const terminals = new Set<number>();
  const hasHungUp = () => watchTerminal((descriptor) => terminals.has(descriptor));
  expect(hasHungUp()()).toBe(false);
  terminals.add(2);
  const asked = hasHungUp();
  expect(asked()).toBe(false);
  terminals.clear();
  expect(asked()).toBe(true);
});
