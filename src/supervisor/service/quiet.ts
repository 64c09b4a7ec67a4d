import type { Daemon } from '../state/types.ts';

/** Until what happened has settled. ms */
const SETTLED = 3_000;
/** Between two times. ms */
const PAUSE = 60_000;

/**
 * Does some work once nothing has happened for so many milliseconds, but not more often than once a minute.
 * @returns what is told that something has happened.
 */
export function afterwards(work: () => void, settled = SETTLED): { happened(): void; end(): void } {
  let timer: NodeJS.Timeout | undefined;
  let last = Number.NEGATIVE_INFINITY;
  const act = () => {
    last = performance.now();
    work();
  };
  return {
    happened() {
      clearTimeout(timer);
      timer = setTimeout(act, Math.max(settled, last + PAUSE - performance.now()));
      timer.unref();
    },
    end: () => clearTimeout(timer),
  };
}

/** The same for what happens to these daemons. @param begun something has happened already. @returns ends that. */
export function whenQuiet(daemons: readonly Pick<Daemon, 'onEvent'>[], work: () => void, begun = false): () => void {
  const { happened, end } = afterwards(work);
  if (begun) happened();
  const stops = daemons.map((daemon) =>
    daemon.onEvent(({ type }) => {
      if (!isCheap(type)) happened();
    }),
  );
  return () => {
    end();
    for (const stop of stops) stop();
  };
}

/** What an app says of itself costs next to nothing, and may come all the time. Pure. */
export function isCheap(event: string): boolean {
  return event === 'status-text';
}
