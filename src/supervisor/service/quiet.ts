import type { Daemon } from '../state/types.ts';

/** Until what happened has settled. ms */
const SETTLED = 3_000;
/** Between two times. ms */
const PAUSE = 60_000;

/**
 * Does some work whenever something has happened to the daemons and a little time has gone by, but not more often than once
 * a minute. @returns ends that.
 */
export function whenQuiet(daemons: readonly Pick<Daemon, 'onEvent'>[], work: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let last = Number.NEGATIVE_INFINITY;
  const stops = daemons.map((daemon) =>
    daemon.onEvent(({ type }) => {
      // What an app says of itself costs next to nothing, and may come all the time.
      if (type === 'status-text') return;
      clearTimeout(timer);
      timer = setTimeout(
        () => {
          last = performance.now();
          work();
        },
        Math.max(SETTLED, last + PAUSE - performance.now()),
      );
      timer.unref();
    }),
  );
  return () => {
    clearTimeout(timer);
    for (const stop of stops) stop();
  };
}
