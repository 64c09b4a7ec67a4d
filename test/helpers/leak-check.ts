import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { takeMachine } from './machine-lock.ts';
import { descendsFrom, MARK, mayBeOurs } from './machine-processes.ts';
import { type Snapshot, snapshot } from './machine-snapshot.ts';

export { type Snapshot, snapshot } from './machine-snapshot.ts';

/** The kernel takes veth pairs, namespaces and zombies away some time after their last user is gone. */
const PATIENCE = 10_000;
const PAUSE = 50;
/** Another test run of this machine may hold it for as long as one test file takes. */
const MACHINE_WAIT = 20 * 60_000;

/**
 * What is there now and was not in `before`, one line each: `link: veth0`. Pure but for reading its two snapshots.
 * Processes count if they descend from this one, carry its mark, or are in a `metactl*` cgroup; namespaces if held by a
 * process that may come from here.
 */
export function leftOver(before: Snapshot, now: Snapshot): string[] {
  const left: string[] = [];
  for (const [kind, names] of Object.entries(now.objects)) {
    const known = [...(before.objects[kind] ?? [])];
    for (const name of names) {
      const at = known.indexOf(name);
      if (at < 0) left.push(`${kind}: ${name}`);
      else known.splice(at, 1);
    }
  }
  const keys = new Set([...before.processes.values()].map((process) => process.key));
  const namespaces = new Set([...before.processes.values()].flatMap((process) => process.namespaces));
  for (const seen of now.processes.values()) {
    if (keys.has(seen.key) || seen.pid === process.pid) continue;
    if (seen.marked || now.inCgroups.has(seen.pid) || descendsFrom(now.processes, seen.pid, process.pid)) {
      left.push(`process: ${seen.name}`);
    }
    for (const namespace of seen.namespaces) {
      if (namespaces.has(namespace) || !mayBeOurs(now.processes, keys, seen.pid, process.pid)) continue;
      namespaces.add(namespace);
      left.push(`namespace: ${namespace} held by ${seen.name}`);
    }
  }
  return left;
}

/** Waits, at most `patience` milliseconds, until nothing is left over; throws an Error that lists what is. */
export async function expectNothingLeft(before: Snapshot, patience: number = PATIENCE): Promise<void> {
  const end = performance.now() + patience;
  let left = leftOver(before, snapshot(before.roots));
  while (left.length > 0 && performance.now() < end) {
    await sleep(PAUSE);
    left = leftOver(before, snapshot(before.roots));
  }
  if (left.length === 0) return;
  throw new Error(`left behind, ${patience} ms later:\n${left.map((line) => `  + ${line}`).join('\n')}`);
}

/**
 * Call it once at the top of a test file, before other hooks: every test, and the file as a whole, must leave the
 * machine as it was. It also takes the machine-wide lock, so that test runs side by side don't see each other.
 * Tests remove what they made in `finally` or `afterEach`: vitest runs `onTestFinished` only after this check.
 * `roots`: directories whose files are watched too (those made inside a test must be gone after it anyway).
 */
export function leakCheck(options: { readonly roots?: readonly string[] } = {}): void {
  const roots = options.roots ?? [];
  let giveBack: (() => Promise<void>) | undefined;
  let beforeFile: Snapshot | undefined;
  let beforeTest: Snapshot | undefined;
  beforeAll(async () => {
    process.env[MARK] = randomUUID();
    giveBack = await takeMachine();
    beforeFile = snapshot(roots);
  }, MACHINE_WAIT);
  beforeEach(() => {
    beforeTest = snapshot(roots);
  });
  afterEach(async () => {
    if (beforeTest !== undefined) await expectNothingLeft(beforeTest);
  });
  afterAll(async () => {
    try {
      if (beforeFile !== undefined) await expectNothingLeft(beforeFile);
    } finally {
      await giveBack?.();
    }
  });
}
