import { objectName } from '../../util/paths.ts';
import type { AppRequest } from '../host.ts';
import { NETNS_DIRECTORY } from './network-name.ts';
import { networkAddon } from './network-native.ts';
import { watchNetwork } from './network-watch.ts';

/** An app's network that daemons of this process use. */
interface Held {
  /** What was planned, as text. */
  readonly plan: string;
  readonly stopWatching: () => void;
  holders: number;
  /** Whether one of them has come with a firewall. */
  firewall: boolean;
}

const held = new Map<string, Held>();

const keyOf = ({ paths, app }: AppRequest) => objectName(paths, app);

/** The daemons of an app have one plan in common. */
const texts = new WeakMap<AppRequest['network'], string>();

function textOf(network: AppRequest['network']): string {
  const text = texts.get(network) ?? JSON.stringify(network);
  texts.set(network, text);
  return text;
}

/**
 * The namespace of a network that another daemon of this process holds already: it is whole, since it is watched. To look at
 * all of it again for each of an app's hundred daemons would take as long as their starts. @returns the caller's descriptor;
 * undefined where it must be made, or looked at.
 */
export function heldNetns(request: AppRequest): number | undefined {
  const { network } = request;
  if (!('netns' in network) || held.get(keyOf(request))?.plan !== textOf(network)) return undefined;
  return networkAddon().openNetns(`${NETNS_DIRECTORY}/${network.netns}`);
}

/** Whether daemons of this process hold the app's network already, and none of them has a firewall: none is left to remove. */
export function isHeldWithoutFirewall(request: AppRequest): boolean {
  return held.get(keyOf(request))?.firewall === false;
}

/** Watches an app's network as long as a daemon of this process uses it. @returns what to call when it no longer does. */
export function holdNetwork(request: AppRequest): () => void {
  const key = keyOf(request);
  const plan = textOf(request.network);
  const known = held.get(key);
  const mine = known?.plan === plan ? known : { plan, stopWatching: watchSoon(request), holders: 0, firewall: false };
  if (mine !== known) held.set(key, mine);
  mine.holders++;
  mine.firewall ||= request.firewall !== undefined;
  let done = false;
  return () => {
    if (done) return;
    done = true;
    if (--mine.holders > 0) return;
    mine.stopWatching();
    if (held.get(key) === mine) held.delete(key);
  };
}

/** Milliseconds after which it is tried again, where the uplink is gone in the very moment. */
const AGAIN = 1_000;

/**
 * Once what is at hand is done: the daemon that the network is made for is started first. What others take away until then is
 * found by the first regular look.
 */
function watchSoon(request: AppRequest): () => void {
  let stop = () => {};
  let later: NodeJS.Timeout | undefined;
  const begin = () => {
    try {
      stop = watchNetwork(request);
    } catch (error) {
      if (later === undefined)
        request.onWarning?.(`${request.app}'s network is not watched: ${(error as Error).message}`);
      later = setTimeout(begin, AGAIN).unref();
    }
  };
  const first = setImmediate(begin);
  return () => {
    clearImmediate(first);
    clearTimeout(later);
    stop();
  };
}
