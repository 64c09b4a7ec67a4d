import * as messages from './messages.ts';
import type { ProblemList } from './problem-list.ts';
import type { Setting } from './types.ts';

const PREFIX = 'depends-on.';

/** What the daemons' `depends-on.OTHER` keys say. Pure. @returns settings by daemon, then by the daemon it depends on. */
export function dependencySettings(
  sections: ReadonlyMap<string, readonly Setting[]>,
): ReadonlyMap<string, ReadonlyMap<string, Setting>> {
  const found = new Map<string, ReadonlyMap<string, Setting>>();
  for (const [section, settings] of sections) {
    if (!section.startsWith('daemon.')) continue;
    const own = settings.filter(({ key }) => key.startsWith(PREFIX));
    found.set(section.slice('daemon.'.length), new Map(own.map((one) => [one.key.slice(PREFIX.length), one])));
  }
  return found;
}

/**
 * Daemons that wait for each other would wait for ever: each such circle is a problem, told where it closes.
 * @returns whether there is none.
 */
export function checkDependencies(
  sections: ReadonlyMap<string, readonly Setting[]>,
  problems: Pick<ProblemList, 'add'>,
): boolean {
  let none = true;
  const edges = dependencySettings(sections);
  const done = new Set<string>();
  const visit = (daemon: string, path: readonly string[]): void => {
    if (done.has(daemon)) return;
    for (const [other, { origin }] of edges.get(daemon) ?? []) {
      const here = [...path, daemon];
      const start = here.indexOf(other);
      if (start < 0) visit(other, here);
      else {
        none = false;
        const { file, line, column } = origin;
        problems.add({ ...messages.dependencyCycle([...here.slice(start), other]), file, line, column });
      }
    }
    done.add(daemon);
  };
  for (const daemon of edges.keys()) visit(daemon, []);
  return none;
}
