import { constants } from 'node:os';
import type { AppConfig } from '../config/types.ts';
import { isTerminal as isTerminalNow } from './is-terminal.ts';

/**
 * Tells a terminal that hung up from a SIGHUP that somebody sent. The kernel takes the terminal away before it signals:
 * a descriptor of it is none of a terminal any more (EIO).
 * @returns asks whether a standard stream that was a terminal at the time of this call has lost it.
 */
export function watchTerminal(isTerminal: (descriptor: number) => boolean = isTerminalNow): () => boolean {
  const terminals = [0, 1, 2].filter((descriptor) => isTerminal(descriptor));
  return () => terminals.some((descriptor) => !isTerminal(descriptor));
}

const signals: Readonly<Record<string, number>> = constants.signals;

/**
 * What a daemon gets when its supervisor gets SIGHUP: its `reload-signal` where that is set, else nothing, since SIGHUP
 * ends a daemon that does not expect it. Pure.
 */
export function hangUpSignal(config: Pick<AppConfig, 'setting' | 'text'>, daemon: string): number | undefined {
  const section = `daemon.${daemon}`;
  if (config.setting(section, 'reload-signal') === undefined) return undefined;
  return signals[config.text(section, 'reload-signal') ?? ''];
}
