import { runSteps } from '../service/run-steps.ts';
import type { Prepared } from '../supervisor/prepare.ts';
import { messageLine } from '../util/error.ts';
import { driver } from './units.ts';

/**
 * Has systemd start what it gave up when the first start of this daemon failed; see `unitsLeftBehind`. To be called when its unit
 * is up. Never rejects.
 * @param log what was started, or why not.
 */
export async function startLeftBehind({ paths, plans }: Prepared, log: (line: string) => void): Promise<void> {
  const [plan] = plans;
  if (plan === undefined || plans.length > 1) return;
  const { app, daemon } = plan;
  try {
    const driven = await driver(paths, app);
    const { askAboutDependents, isSystemd, startThem, unitsLeftBehind } = await import(
      '../service/systemd-dependents.ts'
    );
    if (driven === undefined || !isSystemd(driven.manager)) return;
    const [output = ''] = await runSteps([askAboutDependents(driven.installed)]);
    const units = unitsLeftBehind(driven.installed, daemon, output);
    if (units.length === 0) return;
    log(`${app}/${daemon} is up: starting ${units.join(' ')}, which systemd gave up when it was not`);
    await runSteps([startThem(units)]);
  } catch (error) {
    log(`warning: what depends on ${app}/${daemon} may not have been started: ${messageLine(error)}`);
  }
}
