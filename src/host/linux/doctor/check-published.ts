import { parseAddress } from '../../../util/ip.ts';
import { formatIpv6 } from '../../../util/ipv6.ts';
import type { Finding } from '../../finding.ts';
import type { MachineFacts } from './machine-facts.ts';
import { ok, warning } from './make-finding.ts';

/** Addresses that apps publish ports at: a port of one that the host has not is reached by nobody, and nothing fails. Pure. */
export function checkPublished({ files, network }: MachineFacts): Finding[] {
  const at = network.publishedAt ?? [];
  const [ipv4, ipv6] = [files['/proc/net/fib_trie'], files['/proc/net/if_inet6']];
  return [...new Set(at.map(({ address }) => address))].flatMap((address) => {
    const name = `published ${address}`;
    const known = address.includes(':') ? ipv6 : ipv4;
    // A host without IPv6 has no such file, and no such address either.
    if (known === undefined && !address.includes(':')) return [];
    if (address.includes(':') ? hasIpv6(known ?? '', address) : hasIpv4(known!, address))
      return [ok(name, 'this host has it')];
    const words = at.filter((one) => one.address === address).map(({ app, word }) => `${app}'s ${word}`);
    return [
      warning(
        name,
        `no device of this host that is up has this address: unless packets for it are routed here, nobody gets to ${words.join(', ')}`,
        `ip address add ${address}/${address.includes(':') ? 64 : 24} dev DEVICE, or publish at an address that ip -br address shows; one that moves between hosts may come later`,
      ),
    ];
  });
}

/** Whether the local routes have it: 127.0.0.0/8 is one of them. */
function hasIpv4(trie: string, address: string): boolean {
  const number = parseAddress(address);
  if (number === undefined) return false;
  // `|-- 192.0.2.2`, and below it a line for each prefix that begins there.
  return trie.split('|-- ').some((entry) => {
    const start = parseAddress(/^[\d.]+/.exec(entry)?.[0] ?? '');
    if (start === undefined) return false;
    return [...entry.matchAll(/\/(\d+) host LOCAL/g)].some(([, bits]) => {
      const size = 2 ** (32 - Number(bits));
      return Number(number) >= Number(start) && Number(number) < Number(start) + size;
    });
  });
}

/** `20010db8000000000000000000000001 02 40 00 80 eth0` */
function hasIpv6(addresses: string, address: string): boolean {
  return addresses.split('\n').some((line) => {
    const hex = /^[0-9a-f]{32}\b/.exec(line)?.[0];
    return hex !== undefined && formatIpv6(BigInt(`0x${hex}`)) === address;
  });
}
