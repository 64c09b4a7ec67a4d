import { mkdir } from 'node:fs';
import type { Paths } from '../../../util/paths.ts';
import type { CgroupFacts } from '../../host.ts';
import { linuxKernel } from './kernel.ts';
import { hierarchiesOf, leafPath } from './tree.ts';

export interface BegunCgroup {
  /** Kept when nothing is under way any more: until then the app's cgroups must not be removed. */
  readonly done: Promise<void>;
  /** Takes the directory away again, if nothing is in it. */
  undo(): Promise<void>;
}

const NOTHING: BegunCgroup = { done: Promise.resolve(), undo: async () => {} };

/**
 * Begins to make an app's directory in v1's cpuset hierarchy, on another thread: below a directory with
 * `cgroup.clone_children` the kernel looks at all the others first, some 0.1 ms where there are 300. What comes of it doesn't
 * matter: `makeDaemonCgroup` makes what isn't there. Where the directory of all apps is missing, it is left to that too.
 */
export function beginAppCgroup(paths: Paths, app: string, daemon: string, facts: CgroupFacts): BegunCgroup {
  const cpuset = hierarchiesOf(facts, false).find(
    ({ version, controllers }) => version === 1 && controllers.includes('cpuset'),
  );
  if (cpuset === undefined) return NOTHING;
  const path = leafPath(cpuset, paths, app, daemon).app;
  if (linuxKernel.exists(path)) return NOTHING;
  const done = new Promise<void>((resolve) => mkdir(path, { mode: 0o755 }, () => resolve()));
  return {
    done,
    async undo() {
      await done;
      try {
        linuxKernel.rmdir(path);
      } catch {
        // Never made, or another daemon is in it by now.
      }
    },
  };
}
