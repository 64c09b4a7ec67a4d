import { expect, it } from 'vitest';
import { nearest } from '../../../src/util/suggest.ts';

const PLATFORMS = ['exec', 'jvm', 'node', 'jetty6', 'jetty9'];

it.each([
  ['jety6', 'jetty6'],
  ['jetyt9', 'jetty9'],
  ['JVM', 'jvm'],
  ['exce', 'exec'],
  ['nodejs', 'node'],
])('%s is near %s', (name, near) => expect(nearest(name, PLATFORMS)).toBe(near));

it.each(['tomcat', 'python', '', 'x', 'no', 'x'.repeat(65)])('nothing is near %j', (name) =>
  expect(nearest(name, PLATFORMS)).toBeUndefined(),
);

it('does not compare megabytes', () => {
  const start = performance.now();
  nearest('a'.repeat(1_000_000), ['b'.repeat(1_000_000)]);
  nearest('abc', ['b'.repeat(1_000_000)]);
  expect(performance.now() - start).toBeLessThan(200);
});
