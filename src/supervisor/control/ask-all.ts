import { requireAppName } from '../../config/names.ts';
import type { Paths } from '../../util/paths.ts';
import { type AskOptions, ask, isAbsent } from './client.ts';
import { controlSocket, runSockets } from './sockets.ts';
import type { StatusRecord } from './status-record.ts';

/** What every supervisor of this node knows, of all apps, one app or one daemon: sorted by app, in order of their starts. */
export async function askStatus(paths: Paths, app?: string, daemon?: string): Promise<StatusRecord[]> {
  if (app !== undefined) requireAppName(app);
  const request = { ...(app === undefined ? {} : { app }), ...(daemon === undefined ? {} : { daemon }) };
  const foreground = runSockets(paths, app).filter((one) => (daemon ?? one.daemon) === one.daemon);
  const answers = await Promise.all(
    [controlSocket(paths), ...foreground.map(({ path }) => path)].map((path) => orAbsent(ask(path, 'status', request))),
  );
  const records = answers.flatMap((answer) => (answer as StatusRecord[] | undefined) ?? []);
  return withoutDoubles(records).sort((a, b) => (a.app < b.app ? -1 : a.app > b.app ? 1 : 0));
}

/** A daemon that one supervisor runs is idle for another. */
function withoutDoubles(records: readonly StatusRecord[]): StatusRecord[] {
  const best = new Map<string, StatusRecord>();
  for (const record of records) {
    const key = `${record.app}/${record.daemon}`;
    const known = best.get(key);
    if (known === undefined || (known.pid === null && record.since !== null)) best.set(key, record);
  }
  return [...best.values()];
}

/**
 * Has a verb carried out by whichever supervisor runs the daemons: the standalone one, or those of a `run`.
 * @returns the answers; none where nobody runs them. @throws MetactlError of a supervisor.
 */
export async function askRunning(
  paths: Paths,
  verb: string,
  { app, daemon, wait }: { readonly app: string; readonly daemon: string | undefined; readonly wait: boolean },
  options: AskOptions = {},
): Promise<unknown[]> {
  requireAppName(app);
  const request = { app, wait, ...(daemon === undefined ? {} : { daemon }) };
  const foreground = runSockets(paths, app).filter((one) => (daemon ?? one.daemon) === one.daemon);
  const answers = await Promise.all([
    orAbsent(ask(controlSocket(paths), verb, request, options)),
    ...foreground.map((one) => orAbsent(ask(one.path, verb, { ...request, daemon: one.daemon }, options))),
  ]);
  return answers.filter((answer) => answer !== undefined);
}

/** Undefined where nobody listens, or where who listens does not run it. */
async function orAbsent(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (isAbsent(error) || (error as { code?: string }).code === 'METACTL_NOT_RUNNING') return undefined;
    throw error;
  }
}
