/** Milliseconds without a launch: whoever starts many daemons at once is to have started them first. */
const CALM = 100;
/** Milliseconds after which it is done all the same: somewhere on a busy node something is always being started. */
const PATIENCE = 1000;

type Work = () => Promise<void>;

const waiting = new Map<object, Work>();
let timer: NodeJS.Timeout | undefined;
let since = 0;
let working = false;

/**
 * Does the work, whose failure is nobody's concern, once nothing has been launched for a moment; one after the other, others
 * get their turn between.
 * @param of what it is for: work that waits for the same is given up. What a daemon that crashes all the time leaves would
 * be kept by it else.
 */
export function whenCalm(of: object, work: Work): void {
  const now = performance.now();
  if (waiting.size === 0) since = now;
  waiting.set(of, work);
  if (working || (timer !== undefined && now - since > PATIENCE - CALM)) return;
  clearTimeout(timer);
  timer = setTimeout(begin, CALM).unref();
}

function begin(): void {
  timer = undefined;
  working = true;
  void doNext();
}

async function doNext(): Promise<void> {
  const [next] = waiting;
  if (next === undefined) {
    working = false;
    return;
  }
  const [of, work] = next;
  waiting.delete(of);
  await work().catch(() => {});
  setImmediate(() => void doNext());
}
