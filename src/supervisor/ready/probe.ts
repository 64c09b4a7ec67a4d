import type { Inside } from './inside.ts';
import { probeHttp, probeTcp } from './probe-tcp.ts';
import type { AskedProbe } from './settings.ts';

/** Milliseconds before the second attempt; each further one waits twice as long, up to the longest. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 1000;

/** Milliseconds to wait before attempt n + 1 (n from 0). Pure. */
export function pauseAfter(attempt: number): number {
  return Math.min(FIRST_PAUSE * 2 ** Math.min(attempt, 20), LONGEST_PAUSE);
}

/** Asks once. @returns undefined where all is well, else what is wrong: escaped, in a few words. Never rejects. */
export async function ask(
  inside: Inside,
  probe: AskedProbe,
  timeout: number,
  end: AbortSignal,
): Promise<string | undefined> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeout);
  const stop = () => limit.abort();
  end.addEventListener('abort', stop);
  try {
    if (probe.kind === 'tcp') return await probeTcp(inside, probe.port, limit.signal);
    if (probe.kind === 'http') return await probeHttp(inside, probe.port, probe.path, limit.signal);
    const problem = await inside.run(probe.argv, limit.signal);
    return limit.signal.aborted ? 'the command did not end in time' : problem;
  } catch (error) {
    return (error as Error).message;
  } finally {
    clearTimeout(timer);
    end.removeEventListener('abort', stop);
  }
}
