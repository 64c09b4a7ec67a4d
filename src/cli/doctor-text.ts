import type { Finding } from '../host/finding.ts';
import { escapeText } from '../util/escape.ts';
import type { AppFindings } from './doctor-apps.ts';

type State = Finding['state'];

const COLORS: Readonly<Record<State, number>> = { ok: 32, warning: 33, failed: 31, unknown: 36 };
const STATE_WIDTH = Math.max(...Object.keys(COLORS).map((state) => state.length));

/** A line for each capability, below it how to mend it, then a line for each app. Pure. */
export function doctorText(findings: readonly Finding[], apps: AppFindings, options: { color: boolean }): string {
  const width = Math.max(
    ...[...findings.map(({ name }) => name), ...apps.list.map(({ app }) => `app ${app}`)].map((name) => name.length),
  );
  const line = (state: State, name: string, text: string) => {
    const padded = state.padEnd(STATE_WIDTH);
    const shown = options.color ? `\x1b[${COLORS[state]}m${padded}\x1b[39m` : padded;
    return `${shown}  ${name.padEnd(width)}  ${escapeText(text)}\n`;
  };
  const indent = ' '.repeat(STATE_WIDTH + width + 4);
  const machine = findings.map(
    ({ state, name, meaning, mend }) =>
      line(state, name, meaning) + (mend === undefined ? '' : `${indent}mend: ${escapeText(mend)}\n`),
  );
  const own = apps.list.map(({ app, state, reasons }) => {
    const [first = state === 'ok' ? 'can run here' : 'only root can tell', ...others] = reasons;
    return line(state, `app ${app}`, first) + others.map((reason) => `${indent}${escapeText(reason)}\n`).join('');
  });
  return [...machine, ...own, `${summary(findings, apps)}\n`].join('');
}

function summary(findings: readonly Finding[], apps: AppFindings): string {
  const count = (state: State) => findings.filter((finding) => finding.state === state).length;
  const counts = (['failed', 'warning', 'unknown'] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `${count(state)} ${state === 'warning' && count(state) > 1 ? 'warnings' : state}`);
  const machine = counts.length === 0 ? 'nothing to mend' : counts.join(', ');
  if (apps.list.length === 0)
    return `${machine}; ${apps.needsRoot ? 'only root can tell which apps can run' : 'no app is configured here'}`;
  const running = apps.list.filter(({ state }) => state === 'ok').length;
  return `${machine}; ${running} of ${apps.list.length} apps can run here`;
}

/**
 * The shape of `--json`: stable. `ok`: all apps can run. `mend` is null where there is nothing to mend; `stops` names the
 * kinds of apps that a failed finding keeps from starting. Pure.
 */
export function doctorJson(findings: readonly Finding[], apps: AppFindings): unknown {
  return {
    ok: !apps.needsRoot && apps.list.every(({ state }) => state === 'ok'),
    findings: findings.map(({ name, state, meaning, mend, stops }) => ({
      name,
      state,
      meaning,
      mend: mend ?? null,
      stops: stops ?? [],
    })),
    apps: apps.list,
  };
}
