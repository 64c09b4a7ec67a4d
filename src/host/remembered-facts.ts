import type { HostFacts } from './host.ts';

/**
 * The same machine, each question asked once: the daemons of an app all ask what is at the same paths, and a hundred of them
 * would ask the kernel ten thousand times. Not for longer than one planning takes: what is found may change. Pure otherwise.
 */
export function rememberedFacts(facts: HostFacts): HostFacts {
  return {
    ...facts,
    state: remembered((path) => facts.state(path)),
    realPath: remembered((path) => facts.realPath(path)),
    decidedByRoot: remembered((path) => facts.decidedByRoot(path)),
    owner: remembered((path) => facts.owner(path)),
    read: remembered((path) => facts.read(path)),
    user: remembered((name) => facts.user(name)),
    group: remembered((name) => facts.group(name)),
  };
}

function remembered<T>(ask: (what: string) => T): (what: string) => T {
  const answers = new Map<string, T>();
  return (what) => {
    if (!answers.has(what)) answers.set(what, ask(what));
    return answers.get(what)!;
  };
}
