import type { AppNeed, Finding } from '../../finding.ts';

/** Findings of one state each. Pure. */

export function ok(name: string, meaning: string): Finding {
  return { name, state: 'ok', meaning };
}

export function warning(name: string, meaning: string, mend: string): Finding {
  return { name, state: 'warning', meaning, mend };
}

export function failed(name: string, meaning: string, mend: string, ...stops: AppNeed[]): Finding {
  return { name, state: 'failed', meaning, mend, stops };
}

export function unknown(name: string): Finding {
  return { name, state: 'unknown', meaning: 'only root can tell', mend: 'run metactl doctor as root' };
}
