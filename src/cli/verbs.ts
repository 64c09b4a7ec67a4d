import type { Command } from 'commander';

/** One verb of the command line: its one-line summary and how to load the file that carries it out. */
export interface Verb {
  readonly summary: string;
  readonly load: () => Promise<{ register(program: Command): void }>;
}

/**
 * All verbs. Loading is per verb: `metactl ip` must not pay for parsing the supervisor (the start of Node is most of
 * its time already).
 */
export const VERBS: Readonly<Record<string, Verb>> = {
  run: { summary: 'run an app, or one daemon of it, in the foreground', load: () => import('./run.ts') },
  start: { summary: 'start an app in the background, and wait until it is up', load: () => import('./start.ts') },
  stop: { summary: 'stop an app, wherever it runs', load: () => import('./stop.ts') },
  restart: { summary: 'restart an app with the configuration as it is now', load: () => import('./restart.ts') },
  reload: { summary: 'have an app read its own files anew', load: () => import('./reload.ts') },
  reexec: {
    summary: 'replace the supervisor by this metactl, while its daemons run on',
    load: () => import('./reexec.ts'),
  },
  status: { summary: 'show how the daemons of all apps, or of one, are', load: () => import('./status.ts') },
  install: {
    summary: 'hand an app over to the service manager, which starts it at boot',
    load: () => import('./install.ts'),
  },
  uninstall: { summary: 'take an app away from the service manager', load: () => import('./uninstall.ts') },
  purge: { summary: 'remove all of an app but its configuration', load: () => import('./purge.ts') },
  enable: { summary: 'have an installed app started at boot', load: () => import('./enable.ts') },
  disable: { summary: 'have an installed app no longer started at boot', load: () => import('./disable.ts') },
  events: { summary: 'show what happened to daemons, and what happens', load: () => import('./events.ts') },
  exec: { summary: "run a command in an app's sandbox", load: () => import('./exec.ts') },
  shell: { summary: "open a shell in an app's sandbox", load: () => import('./shell.ts') },
  ip: { summary: "print an app's address", load: () => import('./ip.ts') },
  ps: { summary: "list an app's processes, as the host and as the sandbox sees them", load: () => import('./ps.ts') },
  tcpdump: { summary: "run tcpdump in an app's network", load: () => import('./tcpdump.ts') },
  logs: { summary: 'show what the daemons of an app wrote', load: () => import('./logs.ts') },
  why: { summary: 'tell what is wrong with an app, and what to do', load: () => import('./why.ts') },
  plan: { summary: 'print exactly what a start would do', load: () => import('./plan.ts') },
  config: {
    summary: 'print the merged configuration and where each value came from',
    load: () => import('./config.ts'),
  },
  check: { summary: 'check the configuration and list every problem', load: () => import('./check.ts') },
  new: { summary: 'write a commented configuration file for a new app', load: () => import('./new.ts') },
  edit: { summary: "edit an app's configuration, validated on save", load: () => import('./edit.ts') },
  doctor: { summary: 'tell what this machine can do, and which apps can run here', load: () => import('./doctor.ts') },
  completion: {
    summary: 'print the script for completion in bash, zsh or fish',
    load: () => import('./completion.ts'),
  },
  gc: { summary: 'remove what killed supervisors left behind', load: () => import('./gc.ts') },
};

/** What metactl runs itself: found by name, but told to nobody. */
export const HIDDEN_VERBS: Readonly<Record<string, Pick<Verb, 'load'>>> = {
  supervise: { load: () => import('./supervise.ts') },
};
