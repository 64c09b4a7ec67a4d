import { constants } from 'node:os';
import { watchTerminal } from './hang-up.ts';

/** Signals that ask metactl itself to stop what it runs. */
const STOPPING = ['SIGTERM', 'SIGINT'] as const;
/** Signals that mean something to the daemon only. */
const FORWARDED = ['SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const;

/**
 * Listens for signals until the returned function is called.
 * SIGHUP asks to reload, except where our terminal is what hung up: then nobody watches any more.
 */
export function onSignals(handle: (signal: number, stops: boolean) => void): () => void {
  const listeners: [NodeJS.Signals, () => void][] = [];
  const listen = (name: NodeJS.Signals, stops: () => boolean) => {
    const listener = () => handle(constants.signals[name], stops());
    process.on(name, listener);
    listeners.push([name, listener]);
  };
  for (const name of STOPPING) listen(name, () => true);
  for (const name of FORWARDED) listen(name, () => false);
  listen('SIGHUP', watchTerminal());
  return () => {
    for (const [name, listener] of listeners) process.off(name, listener);
  };
}
