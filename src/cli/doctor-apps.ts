import { inspectApp, listApps } from '../config/load.ts';
import { formatProblem } from '../config/messages.ts';
import { inspectNode } from '../config/node-config.ts';
import type { LoadedConfig } from '../config/types.ts';
import type { AppNeed, Finding } from '../host/finding.ts';
import type { Published, PublishedAt } from '../host/published.ts';
import { platforms } from '../platform/index.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { parsePublish } from '../util/publish.ts';
import { checkApp, planOnHost } from './check-app.ts';

/** Whether one app can run here. */
export interface AppFinding {
  readonly app: string;
  /** `unknown`: only root can tell. */
  readonly state: 'ok' | 'failed' | 'unknown';
  /** What stops it, one sentence each. */
  readonly reasons: readonly string[];
}

export interface AppFindings {
  readonly list: readonly AppFinding[];
  /** The configuration could not be read without root. */
  readonly needsRoot: boolean;
}

/** Plans the start of every app that is configured here, and holds what it needs against what was found. */
export async function examineApps(paths: Paths, findings: readonly Finding[]): Promise<AppFindings> {
  let apps: readonly string[];
  try {
    apps = listApps(paths);
  } catch (error) {
    if (needsRoot(error)) return { list: [], needsRoot: true };
    throw error;
  }
  const pool = inspectNode(paths).node.pool.length > 0;
  const list: AppFinding[] = [];
  for (const app of apps) list.push(await examineApp(paths, app, findings, pool));
  return { list, needsRoot: list.some(({ state }) => state === 'unknown') };
}

/** What the apps that are configured here publish; nothing where only root can tell. */
export function publishedBy(paths: Paths): Published {
  let published = false;
  const publishedAt: PublishedAt[] = [];
  try {
    for (const app of listApps(paths)) {
      const { config } = inspectApp(paths, app, platforms);
      if (!needsOf(config, false).includes('network')) continue;
      for (const word of config.words('sandbox.net', 'publish') ?? []) {
        published = true;
        const address = parsePublish(word)?.host;
        if (address !== undefined) publishedAt.push({ app, word, address });
      }
    }
  } catch {
    // What is wrong with an app is told where it is examined.
  }
  return { published, publishedAt };
}

async function examineApp(paths: Paths, app: string, findings: readonly Finding[], pool: boolean): Promise<AppFinding> {
  try {
    const { errors, notes } = await checkApp(paths, app, planOnHost(paths, app));
    const needs = needsOf(inspectApp(paths, app, platforms).config, pool);
    const reasons = [...errors.map((problem) => formatProblem(problem)), ...stoppedBy(needs, findings)];
    if (reasons.length > 0) return { app, state: 'failed', reasons };
    const unknown = process.geteuid?.() !== 0 && notes.some(({ message }) => /\broot\b/.test(message));
    return { app, state: unknown ? 'unknown' : 'ok', reasons: [] };
  } catch (error) {
    if (needsRoot(error)) return { app, state: 'unknown', reasons: ['its configuration may only be read by root'] };
    return { app, state: 'failed', reasons: [error instanceof Error ? error.message : String(error)] };
  }
}

/** What of the machine an app depends on. Pure. */
export function needsOf(config: LoadedConfig, pool: boolean): AppNeed[] {
  if (config.flag('sandbox', 'enabled') === false) return ['any'];
  const mode = config.text('sandbox.net', 'mode');
  const own = mode !== 'none' && mode !== 'host';
  return [
    'any',
    'sandbox',
    ...(own ? (['network'] as const) : []),
    ...(own && pool ? (['pool'] as const) : []),
    ...(own && (config.text('firewall.out', 'policy') ?? 'accept') !== 'accept' ? (['firewall'] as const) : []),
    ...(config.flag('sandbox', 'user-namespace') === true ? (['user-namespace'] as const) : []),
  ];
}

/** Pure. */
export function stoppedBy(needs: readonly AppNeed[], findings: readonly Finding[]): string[] {
  return findings
    .filter(({ state, stops = [] }) => state === 'failed' && stops.some((need) => needs.includes(need)))
    .map(({ name, meaning }) => `${name}: ${meaning}`);
}

function needsRoot(error: unknown): boolean {
  return error instanceof MetactlError && error.exitStatus === EXIT.needsRoot;
}
