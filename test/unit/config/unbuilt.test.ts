import { describe, expect, it } from 'vitest';
import { requireBuilt } from '../../../src/config/load.ts';
import { inspect, shorten, thrown } from './root.ts';

describe('what is not in this version', () => {
  it.each([
    ['[hooks]\non-failure = /bin/x', '`[hooks] on-failure` = `/bin/x`'],
    ['[hooks]\non-oom = /bin/x', '`[hooks] on-oom` = `/bin/x`'],
    ['[crontab]\na = @daily x\n[cron.a]\ntimeout-sec = 5s', '`[cron.a] timeout-sec` = `5s`'],
  ])('and would protect: %j', (node, what) => {
    const { config, lines, root } = inspect({ node: `${node}\n` });
    expect(lines).toEqual([]);
    expect(config.unbuilt.refuse.map(({ message }) => message)).toEqual([`${what} is not in this version of metactl`]);
    const error = thrown(() => requireBuilt(config));
    expect(error.exitStatus).toBe(78);
    expect(shorten(error.message, root)).toMatch(
      /^\/etc\/metactl\/nodes\/myapp\.conf:\d+:\d+: .* is not in this version of metactl$/,
    );
  });

  it.each([
    '[firewall.out]\npolicy = reject',
    '[firewall.out.accept]\ndb = 10.0.0.0/8',
    '[sandbox]\nuser-namespace = yes',
    '[sandbox.net]\nmode = routed',
    '[sandbox.net]\nmode = none',
    '[sandbox.net]\nmode = nat',
    '[sandbox.net]\nmode = host',
    '[sandbox.net]\npublish = 80:80',
    '[daemon.web]\nstart-limit-burst = 5',
    '[daemon.web]\nreload-signal = SIGUSR1',
    '[daemon.web]\n[daemon.db]\ndepends-on.web = ready',
    '[sandbox]\nseccomp = none',
    '[daemon.web]\nready = notify',
    '[daemon.web]\nhealth = tcp:80',
    '[daemon.web]\nwatchdog-sec = 5s',
  ])('but these are: %j', (node) =>
    expect(inspect({ node: `${node}\n` }).config.unbuilt).toEqual({ refuse: [], note: [] }),
  );

  it.each([
    '[daemon.web]\ninstances = 2',
    '[daemon.web]\nlisten.http = tcp:80',
    '[hooks]\non-stop = /bin/x',
    '[deploy]\nmin-healthy-time = 5s',
  ])('and is only noted: %j', (node) => {
    const { config } = inspect({ node: `${node}\n` });
    expect(config.unbuilt.refuse).toEqual([]);
    expect(config.unbuilt.note).toHaveLength(1);
    expect(config.warnings).toHaveLength(1);
  });
});
