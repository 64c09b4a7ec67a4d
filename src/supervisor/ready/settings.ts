import { type HealthProbe, type Probe, parseHealth, parseProbe } from '../../config/probe.ts';
import type { AppConfig } from '../../config/types.ts';
import { storeMax } from '../../sandbox/notify.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { compileMatcher, type LineMatcher } from './log-match.ts';

/** How readiness and health of one daemon are known. Times in milliseconds. */
export interface ReadinessSettings {
  readonly ready: Condition | undefined;
  readonly readyTimeout: number;
  readonly health: HealthSettings | undefined;
  readonly watchdog: number | undefined;
  /** Descriptors that it may leave for its next start. */
  readonly store: number;
}

export type Condition =
  | Extract<Probe, { kind: 'notify' | 'fd' }>
  | { readonly kind: 'log'; readonly matches: LineMatcher; readonly pattern: string }
  | AskedProbe;

/** A probe with all that the configuration leaves open. */
export type AskedProbe =
  | Extract<Probe, { kind: 'tcp' | 'exec' }>
  | { readonly kind: 'http'; readonly port: number; readonly path: string };

export interface HealthSettings {
  readonly probe: AskedProbe;
  readonly interval: number;
  readonly timeout: number;
  readonly threshold: number;
  readonly grace: number;
  readonly action: 'restart' | 'alert' | 'none';
}

/**
 * Reads a daemon's keys; the schema has checked what it can. @param ownNetwork whether the app has a network of its own,
 * where web servers are expected at port 80.
 * @throws MetactlError METACTL_CONFIGURATION (78) for a pattern that is none.
 */
export async function readinessSettings(
  config: AppConfig,
  daemon: string,
  ownNetwork: boolean,
): Promise<ReadinessSettings> {
  const section = `daemon.${daemon}`;
  const port = config.number(section, 'http.port') ?? (ownNetwork ? 80 : 8080);
  const ready = parseProbe(config.text(section, 'ready') ?? '');
  const health = parseHealth(config.text(section, 'health') ?? '');
  const action = config.text(section, 'health.action');
  return {
    ready: ready === undefined ? undefined : await condition(config, section, ready, port),
    readyTimeout: config.number(section, 'ready.timeout') ?? 90_000,
    health:
      health === undefined
        ? undefined
        : {
            probe: asked(health, port),
            interval: config.number(section, 'health.interval') ?? 10_000,
            timeout: config.number(section, 'health.timeout') ?? 3000,
            threshold: config.number(section, 'health.threshold') ?? 3,
            grace: config.number(section, 'health.grace') ?? 0,
            action: action === 'alert' || action === 'none' ? action : 'restart',
          },
    watchdog: config.number(section, 'watchdog-sec'),
    store: storeMax(config, daemon),
  };
}

async function condition(config: AppConfig, section: string, probe: Probe, port: number): Promise<Condition> {
  if (probe.kind === 'notify' || probe.kind === 'fd') return probe;
  if (probe.kind !== 'log') return asked(probe, port);
  const matches = await compileMatcher(probe.pattern);
  if (typeof matches === 'function') return { kind: 'log', matches, pattern: probe.pattern };
  const { file, line } = config.setting(section, 'ready')!.origin;
  const what = matches.costly ? 'costs too much' : 'is no regular expression';
  throw new MetactlError(`${file}:${line}: the pattern of \`ready\` ${what}: ${matches.problem}`, {
    code: 'METACTL_CONFIGURATION',
    step: 'read the configuration',
    hint: matches.costly
      ? 'match less of the line, without large repeat counts'
      : 'patterns have the syntax of RE2: no look-around, no back-references',
    exitStatus: EXIT.configuration,
  });
}

function asked(probe: HealthProbe, port: number): AskedProbe {
  return probe.kind === 'http' ? { ...probe, port: probe.port ?? port } : probe;
}
