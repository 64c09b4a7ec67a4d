import { afterEach, beforeEach } from 'vitest';
import { type Lab, makeLab } from './lab.ts';
import { makeProbeScratch } from './probe-app.ts';
import { type Running, runMetactl, startMetactl } from './run-metactl.ts';
import { makeScratch, type Scratch } from './scratch.ts';

/** Starts `metactl ARGS` in the test's scratch root; it is killed when the test is over. */
export type Start = (args: readonly string[], env?: Readonly<Record<string, string>>) => Running;

/**
 * A scratch root for each test of the file, handed to `made` before it. Afterwards what was started by the returned function is
 * killed, then `gc` and the root's removal. A file's own `afterEach` is run before that, as vitest runs them in reverse.
 */
export function useScratch(made: (scratch: Scratch) => void | Promise<void>): Start {
  let scratch: Scratch;
  const running: Running[] = [];
  beforeEach(async () => {
    scratch = makeScratch();
    await made(scratch);
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop('SIGKILL');
    await runMetactl(['gc'], { root: scratch.root });
    scratch.remove();
  });
  return (args, env) => {
    const one = startMetactl(args, { root: scratch.root, ...(env === undefined ? {} : { env }) });
    running.push(one);
    return one;
  };
}

/** The same for apps of the probe: what they started is stopped first. `made` may go on with starting one. */
export function useProbeScratch(made: (scratch: Scratch) => void | Promise<void>): void {
  let remove: () => Promise<void>;
  beforeEach(async () => {
    const site = makeProbeScratch();
    remove = site.remove;
    await made(site.scratch);
  });
  afterEach(() => remove());
}

/** The same where apps have networks of their own, by an uplink that is made for the test. */
export function useProbeLab(made: (scratch: Scratch) => void | Promise<void>): void {
  let lab: Lab;
  beforeEach(async () => {
    lab = await makeLab();
  });
  afterEach(() => lab.close());
  useProbeScratch((scratch) => {
    scratch.metactlConf(lab.metactlConf);
    return made(scratch);
  });
}
