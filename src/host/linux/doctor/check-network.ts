import { isLoopbackAddress } from '../../../util/loopback.ts';
import type { Finding } from '../../finding.ts';
import { defaultDevice } from '../default-device.ts';
import { explain, explainBeside } from '../firewall/explain.ts';
import { type MachineFacts, sysctlOf } from './machine-facts.ts';
import { failed, ok, unknown, warning } from './make-finding.ts';

/** Kinds of links: what metactl needs them for; '' for those that only an administrator may miss. */
export const LINK_KINDS: Readonly<Record<string, string>> = { veth: "apps' networks", bridge: '', dummy: '' };

/** Links and nf_tables, each made for real in a network namespace that ends at once. Pure. */
export function checkNetlink(facts: MachineFacts): Finding[] {
  return [
    ...Object.entries(LINK_KINDS).map(([kind, use]) => link(facts, kind, use)),
    nft(
      facts,
      'nf_tables',
      'the rules that keep apps from forging addresses',
      'CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET',
    ),
    nft(facts, 'nft fib', 'the rule that keeps apps from forging addresses', 'CONFIG_NFT_FIB_INET'),
    nft(facts, 'nft nat', 'apps without a pool, and published ports', 'CONFIG_NFT_NAT and CONFIG_NFT_MASQ'),
    nft(facts, 'nft sets', 'apps with [firewall.out] policy', ''),
  ];
}

const AS_MODULE = "it is a kernel module that isn't loaded; the kernel loads it when it is first used";

function link(facts: MachineFacts, kind: string, use: string): Finding {
  const name = `link ${kind}`;
  const met = facts.probes[name];
  if (met === undefined || (!facts.root && met === 'EPERM')) return unknown(name);
  if (met === '')
    return ok(name, use === '' ? 'the kernel has it; metactl needs none' : `the kernel has it, for ${use}`);
  if (met === 'module') return ok(name, AS_MODULE);
  if (use === '') return ok(name, `the kernel has none (${met}), and metactl needs none`);
  const mend = `modprobe ${kind}, or boot a kernel that has it (CONFIG_${kind.toUpperCase()})`;
  return failed(name, `no such link can be made (${met}), and ${use} need it`, mend, 'network');
}

function nft(facts: MachineFacts, name: string, use: string, options: string): Finding {
  const met = facts.probes[name];
  if (met === undefined || (!facts.root && met === 'EPERM')) return unknown(name);
  if (met === '') return ok(name, `the kernel has it, for ${use}`);
  if (met === 'module') return ok(name, AS_MODULE);
  const mend = `boot a kernel with ${options}; on Debian: apt-get install linux-image-amd64`;
  const meaning = `the kernel refuses it (${met}), and it is needed for ${use}`;
  if (name === 'nft sets') return failed(name, meaning, 'boot Linux 5.6 or newer', 'firewall');
  return name === 'nft nat' ? warning(name, meaning, mend) : failed(name, meaning, mend, 'network');
}

/** The way to the network, and whether packets are forwarded on it. Pure. */
export function checkUplink(facts: MachineFacts): Finding[] {
  const { pool, published = false, uplink: configured } = facts.network;
  const device = configured ?? defaultDevice(facts.files['/proc/net/route'] ?? '');
  if (device === undefined) {
    const meaning = 'there is no default route to tell it by';
    const mend = 'set [network] uplink in metactl.conf; ip -br link lists the devices';
    if (!pool)
      return [ok('uplink', `${meaning}, and without [network] pool apps need none`), forwarding(facts, undefined)];
    return [failed('uplink', `${meaning}, and the addresses of [network] pool are reached by it`, mend, 'pool')];
  }
  const there = sysctlOf(facts, `net/ipv4/conf/${device}/forwarding`) !== undefined;
  const how = configured === undefined ? 'the device of the default route' : 'as configured';
  if (!there) {
    const meaning = `${device} (${how}) isn't there`;
    const mend = 'correct [network] uplink in metactl.conf; ip -br link lists the devices';
    return [pool ? failed('uplink', meaning, mend, 'pool') : warning('uplink', meaning, mend)];
  }
  const use = pool
    ? 'the pool is reached by it'
    : published
      ? 'without [network] pool apps are reached by the ports that they publish'
      : 'without [network] pool apps are reached from this host only';
  return [ok('uplink', `${device}, ${how}: ${use}`), forwarding(facts, device), checkIpv6(facts, device)];
}

function forwarding(facts: MachineFacts, device: string | undefined): Finding {
  const name = 'forwarding';
  if (facts.root && facts.probes['write /proc/sys'] === 'EROFS') {
    const meaning = '/proc/sys is read-only: metactl can forward no packets to its apps';
    return failed(name, meaning, 'run metactl on the host itself, not in a container', 'network');
  }
  if (sysctlOf(facts, 'net/ipv4/ip_forward') === '1') {
    return ok(name, 'somebody has switched it on for the whole machine (net.ipv4.ip_forward); metactl needs no change');
  }
  const there = device === undefined ? undefined : sysctlOf(facts, `net/ipv4/conf/${device}/forwarding`);
  if (there === '1') return ok(name, `on for ${device}, off for the machine as a whole`);
  return ok(
    name,
    `off; metactl switches it on for the ${device === undefined ? '' : 'uplink and the '}links of its apps only`,
  );
}

/** IPv6 forwarding is one switch for all devices, unless the kernel has force_forwarding (6.17). */
function checkIpv6(facts: MachineFacts, device: string): Finding {
  const name = 'IPv6 forwarding';
  const of = (key: string) => sysctlOf(facts, `net/ipv6/conf/${key}`);
  if (of('all/forwarding') === undefined) return ok(name, 'this kernel has no IPv6');
  if (of('all/disable_ipv6') === '1') return ok(name, 'IPv6 is switched off here');
  const single = of(`${device}/force_forwarding`) !== undefined;
  const all = of('all/forwarding') === '1';
  // 1: router advertisements are obeyed unless the host forwards; 2: always.
  const advertised = of(`${device}/accept_ra`) === '1';
  if (all && advertised) {
    return warning(
      name,
      `it is on, and so ${device} ignores router advertisements: the host may lose its IPv6 address and default route`,
      `sysctl -w net.ipv6.conf.${device}.accept_ra=2, unless the address is set by hand`,
    );
  }
  if (all && facts.ownForwarding6) {
    return ok(
      name,
      'metactl has switched it on for its apps, and drops what else would be forwarded; if another program is to forward IPv6, set net.ipv6.conf.all.forwarding = 1 in /etc/sysctl.d and start the apps anew',
    );
  }
  if (all) return ok(name, 'somebody has switched it on for the whole machine');
  if (single) return ok(name, 'off; the kernel can switch it on for single devices (force_forwarding)');
  if (!advertised) return ok(name, 'off, and it can only be switched on for all devices at once');
  return ok(
    name,
    `off; before it is switched on for all devices, ${device} must keep its advertisements (accept_ra=2)`,
  );
}

/** Other firewalls' rules for forwarded packets. Pure. */
export function checkFirewalls(facts: MachineFacts): Finding[] {
  const name = 'other firewalls';
  if (facts.firewalls === undefined) {
    if (!facts.root) return [unknown(name)];
    const look = 'look yourself: nft list ruleset; iptables-save';
    return [warning(name, 'the rules could not be read: whether one drops the packets of apps is not known', look)];
  }
  const none = facts.firewalls.some(({ hook }) => hook === 'forward')
    ? []
    : [ok(name, 'none has rules for forwarded packets')];
  const told = facts.firewalls.map((judgement) => {
    const { pool, published = false } = facts.network;
    const found = explain(judgement, pool || published);
    const legacy = judgement.legacy ? 'legacy ' : '';
    const own = `firewall ${legacy}${judgement.family} ${judgement.table} ${judgement.chain}`.trimEnd();
    const beside = explainBeside(judgement);
    if (beside !== undefined) return ok(own, beside);
    if (found === undefined) return ok(own, `${judgement.tool}: it lets the packets of apps pass`);
    // Apps start all the same, and are reached from this host.
    return warning(own, found.text, found.command);
  });
  return [...none, ...told];
}

/** resolv.conf, as apps will get it. Pure. */
export function checkResolver(facts: MachineFacts): Finding {
  const name = 'resolver';
  const servers = [...(facts.files['/etc/resolv.conf'] ?? '').matchAll(/^\s*nameserver\s+(\S+)/gm)].map(
    (match) => match[1]!,
  );
  if (servers.length === 0) {
    const meaning = '/etc/resolv.conf names no server: apps can resolve no names but those in their /etc/hosts';
    return warning(name, meaning, "echo 'nameserver ADDRESS' >>/etc/resolv.conf");
  }
  if (!servers.every(isLoopbackAddress))
    return ok(name, `apps ask ${servers.filter((one) => !isLoopbackAddress(one)).join(' ')}`);
  const behind = [...(facts.files['/run/systemd/resolve/resolv.conf'] ?? '').matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map((match) => match[1]!)
    .filter((one) => !isLoopbackAddress(one));
  if (behind.length > 0) {
    return ok(
      name,
      `the host asks itself (${servers.join(' ')}), which apps can't: they get systemd-resolved's own, ${behind.join(' ')}`,
    );
  }
  return warning(
    name,
    `the host asks itself (${servers.join(' ')}), which apps with a network of their own can't reach`,
    'add a server that is not on this host to /etc/resolv.conf',
  );
}
