import { expect, it } from 'vitest';
import { strangeAddresses } from '../../../src/host/linux/network-troubles.ts';
import { parsePublish } from '../../../src/util/publish.ts';

const OWN = new Set(['127.0.0.1', '192.0.2.2', '2001:db8::2']);
const told = (...words: string[]) =>
  strangeAddresses(
    words.map((word) => parsePublish(word)!),
    OWN,
  );

it('a port published on an address that the host does not have is told', () => {
  expect(told('192.0.2.77:8080:80')).toEqual([
    {
      id: 'publish-address',
      what: 'nobody reaches it by 192.0.2.77:8080:80: this host does not have the address 192.0.2.77',
      todo: 'give an interface that is up the address, or correct [sandbox.net] publish',
    },
  ]);
  expect(told('[2001:db8::77]:8080:80')).toHaveLength(1);
  expect(told('8080:80', '192.0.2.2:8080:80', '127.0.0.7:8080:80', '[2001:db8::2]:8080:80')).toEqual([]);
});
