import { describe, expect, it } from 'vitest';
import { statusOf } from '../../../src/cli/doctor.ts';
import { type AppFindings, stoppedBy } from '../../../src/cli/doctor-apps.ts';
import { doctorJson, doctorText } from '../../../src/cli/doctor-text.ts';
import type { Finding } from '../../../src/host/finding.ts';

const good: Finding = { name: 'namespace pid', state: 'ok', meaning: 'each daemon sees its own processes only' };
const odd: Finding = {
  name: 'time',
  state: 'warning',
  meaning: 'the clock is not synchronised',
  mend: 'timedatectl set-ntp true',
};
const bad: Finding = { name: 'link veth', state: 'failed', meaning: 'no', mend: 'modprobe veth', stops: ['network'] };
const hidden: Finding = { name: 'nf_tables', state: 'unknown', meaning: 'only root can tell', mend: 'run it as root' };

const apps = (...list: AppFindings['list']): AppFindings => ({ list, needsRoot: false });
const shop = { app: 'shop', state: 'ok', reasons: [] } as const;
const web = { app: 'web', state: 'failed', reasons: ["can't enforce memory-max", 'link veth: no'] } as const;

describe('metactl doctor', () => {
  it('prints aligned lines, how to mend, and each app', () => {
    expect(doctorText([good, odd], apps(shop, web), { color: false })).toBe(
      `ok       namespace pid  each daemon sees its own processes only
warning  time           the clock is not synchronised
                        mend: timedatectl set-ntp true
ok       app shop       can run here
failed   app web        can't enforce memory-max
                        link veth: no
1 warning; 1 of 2 apps can run here
`,
    );
  });

  it('colours the state on a terminal, and lets nothing else through', () => {
    const evil = { ...good, meaning: 'a\x1b[2Jb' };
    expect(doctorText([evil], apps(), { color: true })).toBe(
      '\x1b[32mok     \x1b[39m  namespace pid  a\\x1b[2Jb\nnothing to mend; no app is configured here\n',
    );
  });

  it('has a stable shape for programs', () => {
    expect(doctorJson([good, bad], apps(web))).toEqual({
      ok: false,
      findings: [
        { ...good, mend: null, stops: [] },
        { ...bad, stops: ['network'] },
      ],
      apps: [web],
    });
  });

  it('tells by its status whether all apps can run', () => {
    expect(statusOf([good, odd], apps(shop))).toBe(0);
    expect(statusOf([good, bad], apps(shop))).toBe(0);
    expect(statusOf([good], apps(shop, web))).toBe(1);
    expect(statusOf([good], apps())).toBe(0);
    expect(statusOf([bad], apps())).toBe(1);
    expect(statusOf([good, hidden], apps(shop))).toBe(77);
    expect(statusOf([good], { list: [], needsRoot: true })).toBe(77);
    expect(statusOf([hidden], apps(web))).toBe(1);
  });

  it('stops only the apps that need what failed', () => {
    expect(stoppedBy(['any', 'sandbox'], [good, bad])).toEqual([]);
    expect(stoppedBy(['any', 'sandbox', 'network'], [good, bad])).toEqual(['link veth: no']);
  });
});
