import { requireAppName } from '../../config/names.ts';
import { dial } from '../../host/index.ts';
import type { Paths } from '../../util/paths.ts';
import { isAbsent } from './answer.ts';
import { type AskOptions, ask } from './client.ts';
import { sendQuestion } from './question.ts';
import { controlSocket, runSockets } from './sockets.ts';
import type { StatusRecord } from './status-record.ts';

/** What every supervisor of this node knows, of all apps, one app or one daemon: sorted by app, in order of their starts. */
export async function askStatus(paths: Paths, app?: string, daemon?: string): Promise<StatusRecord[]> {
  const waiting = await beginStatus(paths, app, daemon);
  return waiting();
}

/**
 * The same in two steps: supervisors look while the caller goes on. The second one blocks this process, so none of them may be in it.
 * @returns what waits for them.
 */
export async function beginStatus(paths: Paths, app?: string, daemon?: string): Promise<() => Promise<StatusRecord[]>> {
  if (app !== undefined) requireAppName(app);
  const call = await dial();
  const request = {
    verb: 'status',
    ...(app === undefined ? {} : { app }),
    ...(daemon === undefined ? {} : { daemon }),
  };
  const begin = (path: string) => orAbsentNow(() => ({ path, question: sendQuestion(call, path, request) })) ?? [];
  const asked = [begin(controlSocket(paths))];
  const foreground = runSockets(paths, app).filter((one) => (daemon ?? one.daemon) === one.daemon);
  for (const { path } of foreground) asked.push(begin(path));
  const begun = asked.flat();
  return async () => {
    try {
      const records: StatusRecord[] = [];
      for (const { path, question } of begun) {
        const answer = orAbsentNow(() => question.answer());
        if (answer === undefined) continue;
        const result = 'next' in answer ? await orAbsent(askNext(path, answer.next)) : answer.result;
        records.push(...((result as StatusRecord[] | undefined) ?? []));
      }
      return withoutDoubles(records).sort((a, b) => (a.app < b.app ? -1 : a.app > b.app ? 1 : 0));
    } finally {
      for (const { question } of begun) question.close();
    }
  };
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

/** Whether the standalone supervisor of this node is there, with daemons or without. @throws MetactlError METACTL_NEEDS_ROOT (77) */
export async function hasSupervisor(paths: Paths): Promise<boolean> {
  return (await orAbsent(ask(controlSocket(paths), 'hello'))) !== undefined;
}

export interface RunningRequest {
  readonly app: string;
  readonly daemon: string | undefined;
  readonly wait: boolean;
  /** `stop`: by SIGKILL, at once. */
  readonly kill?: boolean;
}

/**
 * Has a verb carried out by whichever supervisor runs the daemons: the standalone one, or those of a `run`.
 * @returns the answers; none where nobody runs them. @throws MetactlError of a supervisor.
 */
export async function askRunning(
  paths: Paths,
  verb: string,
  { app, daemon, wait, kill = false }: RunningRequest,
  options: AskOptions = {},
): Promise<unknown[]> {
  requireAppName(app);
  const request = { app, wait, ...(kill ? { kill } : {}), ...(daemon === undefined ? {} : { daemon }) };
  const foreground = runSockets(paths, app).filter((one) => (daemon ?? one.daemon) === one.daemon);
  const answers = await Promise.all([
    orAbsent(ask(controlSocket(paths), verb, request, options)),
    ...foreground.map((one) => orAbsent(ask(one.path, verb, { ...request, daemon: one.daemon }, options))),
  ]);
  return answers.filter((answer) => answer !== undefined);
}

/** Another process takes the supervisor's place meanwhile. */
function askNext(path: string, { verb, ...request }: Readonly<Record<string, unknown>>): Promise<unknown> {
  return ask(path, String(verb), request);
}

/** Undefined where nobody listens, or where who listens does not run it. */
async function orAbsent(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (isNobody(error)) return undefined;
    throw error;
  }
}

function orAbsentNow<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (isNobody(error)) return undefined;
    throw error;
  }
}

function isNobody(error: unknown): boolean {
  return isAbsent(error) || (error as { code?: string }).code === 'METACTL_NOT_RUNNING';
}
