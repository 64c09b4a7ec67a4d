import { basename } from 'node:path';
import { MetactlError } from '../../util/error.ts';
import type { MadeOf } from './record.ts';

/** What can be in the way of an app's network. */

type Network = MadeOf<'network'>;

export function linkTaken(app: string, link: string, alias: string, wanted: string): MetactlError {
  return new MetactlError(`the link ${link} is there already and is not ${app}'s`, {
    code: 'METACTL_LINK_TAKEN',
    step: 'make the network',
    path: link,
    hint: `its alias is \`${alias}\`, not \`${wanted}\`: rename that link, or the app`,
  });
}

export function namespaceTaken(app: string, netns: string): MetactlError {
  return new MetactlError(`the network namespace ${netns} is there already and is not on ${app}'s record`, {
    code: 'METACTL_NETNS_TAKEN',
    step: 'make the network',
    path: netns,
    // An app of another root, whose id of 16 bits is the same, has the same name for its own.
    hint:
      `first find out whose it is: \`ip netns pids ${basename(netns)}\` lists who is in it, perhaps an app of another root of metactl; ` +
      `only if it is nobody's, \`ip netns delete ${basename(netns)}\` removes it`,
  });
}

export function linkInUse(app: string, link: string, cause: unknown): MetactlError {
  return new MetactlError(`the link ${link} is still in use`, {
    code: 'METACTL_LINK_TAKEN',
    step: 'make the network',
    path: link,
    cause,
    hint: `its other end is in a network namespace that lost its name: stop all daemons of ${app}, then start again`,
  });
}

/** Daemons that run can't be given another network. */
export function networkChanged(app: string, known: Network, wanted: Network): MetactlError {
  const [had, wants] = [addresses(known), addresses(wanted)];
  const text =
    had === wants
      ? `the network of ${app} is in use with another uplink, mode or other published ports`
      : `the network of ${app} is in use with the address ${had}, not ${wants}`;
  return new MetactlError(text, {
    code: 'METACTL_ADDRESS_CHANGED',
    step: 'make the network',
    path: known.netns,
    hint: `stop all daemons of ${app} first: addresses, uplink, mode and ports change only then`,
  });
}

function addresses({ address, address6 }: Network): string {
  return address6 === undefined ? address : `${address} and ${address6}`;
}

export function linkGone(link: string, cause: unknown): MetactlError {
  return new MetactlError(`the link ${link} went away while it was being made`, {
    code: 'ENODEV',
    step: 'make the network',
    path: link,
    cause,
    hint: 'something else on this machine removes links: look at its log',
  });
}

export function addressRouted(network: Network, cause: unknown): MetactlError {
  const { address, address6 } = network;
  const [text, look] =
    address6 === undefined
      ? [`the address ${address} is routed elsewhere already`, `ip route get fibmatch ${address}`]
      : [`${address} or ${address6} is routed elsewhere already`, `ip route get fibmatch ${address}`];
  return new MetactlError(text, {
    code: 'METACTL_ADDRESS_IN_USE',
    step: 'make the network',
    path: address,
    cause,
    hint: `\`${look}\` shows to whom; give the app another address by [sandbox.net] ip`,
  });
}
