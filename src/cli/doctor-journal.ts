import { inspectApp, listApps } from '../config/load.ts';
import type { Finding } from '../host/finding.ts';
import type { LogHost } from '../host/log-host.ts';
import { platforms } from '../platform/index.ts';
import { askStatus } from '../supervisor/control/ask-all.ts';
import { logTarget } from '../supervisor/logs/settings.ts';
import type { Paths } from '../util/paths.ts';

/** Apps whose lines journald may drop: they log to it, and their supervisor runs in a unit that it limits. */
export async function examineJournal(paths: Paths, logs: Pick<LogHost, 'limitedUnit'>): Promise<Finding[]> {
  try {
    const limited = new Map<string, string>();
    for (const app of listApps(paths)) {
      const { config } = inspectApp(paths, app, platforms);
      const daemons = config.daemons.filter((daemon) => logTarget(config, daemon) === 'journal');
      if (daemons.length === 0) continue;
      for (const { daemon, supervisor, pid } of await askStatus(paths, app)) {
        if (supervisor === null || pid === null || !daemons.includes(daemon)) continue;
        const unit = logs.limitedUnit(supervisor.pid);
        if (unit !== undefined) limited.set(app, unit);
      }
    }
    return [...limited].map(([app, unit]) => journalFinding(app, unit));
  } catch {
    // What is wrong with an app is told where it is examined; who is not root is not told.
    return [];
  }
}

/** Pure. */
export function journalFinding(app: string, unit: string): Finding {
  return {
    name: `journal ${app}`,
    state: 'warning',
    meaning: `${app} logs to the journal from ${unit}, and journald drops what a unit says over its rate limit; \`logs\` tells how much`,
    mend: `metactl install ${app}: its units have no limit; or RateLimitBurst= in /etc/systemd/journald.conf`,
  };
}
