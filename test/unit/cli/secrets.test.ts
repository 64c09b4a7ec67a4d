import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { register as registerCheck } from '../../../src/cli/check.ts';
import { register as registerPlan } from '../../../src/cli/plan.ts';
import { planText } from '../../../src/cli/plan-text.ts';
import { errorJson, errorText } from '../../../src/cli/report.ts';
import { prepare } from '../../../src/supervisor/prepare.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { runVerb } from '../config/cli.ts';
import { appRoot, put } from '../config/root.ts';

/** Everything that `check` and `plan` say about a configuration of a node file, problems included, also as JSON. */
async function said(
  node: string,
  verbs = [['check'], ['plan'], ['--json', 'check'], ['--json', 'plan']],
): Promise<string> {
  const root = appRoot({ application: '', node });
  const all: string[] = [];
  for (const words of verbs) {
    const register = words.includes('check') ? registerCheck : registerPlan;
    try {
      const { stdout, stderr } = await runVerb(register, root, ...words, 'myapp');
      all.push(stdout, stderr);
    } catch (error) {
      all.push(errorText(error, true), errorJson(error));
    }
  }
  return all.join('\n');
}

const FORMS: readonly string[] = [
  'platform = jvm\njvm.jar = x.jar\njvm.properties = %(DB_PASSWORD)',
  'platform = jvm\njvm.jar = %(DB_PASSWORD).jar',
  'platform = jvm\njvm.main = X\njvm.classpath = %(DB_PASSWORD).jar',
  'platform = node\nnode.script = %(DB_PASSWORD).js',
  'platform = jetty9\njetty.webapp = %(DB_PASSWORD).war',
  'platform = jetty9\njetty.home = /%(DB_PASSWORD)',
  'platform = jetty9\njetty.home = /usr/share/jetty9\njetty.context-path = %(DB_PASSWORD)',
  'command = ./%(DB_PASSWORD)',
  'command = %(DB_PASSWORD)',
  'command = sleep 1\nworking-directory = /%(DB_PASSWORD)',
  'command = sleep 1\nuser = %(DB_PASSWORD)',
  'command = sleep 1\nsupplementary-groups = %(DB_PASSWORD)',
  'command = sleep 1\nplatform = %(DB_PASSWORD)',
  'command = sleep 1\nready = log:%(DB_PASSWORD)(',
  'command = sleep 1\n[sandbox.mounts]\n/srv/x = from:/%(DB_PASSWORD)',
  'command = sleep 1\n[sandbox]\ndevices = %(DB_PASSWORD)',
  'command = sleep 1\n[sandbox]\nallow-syscalls = %(DB_PASSWORD)',
];

describe('a secret that another value interpolates', () => {
  for (const form of FORMS) {
    it(form.replaceAll('\n', '; '), async () => {
      const text = await said(`[env]\nDB_PASSWORD = hunter2\n[daemon.w]\n${form}\n`);
      expect(text).not.toContain('hunter2');
      expect(text).toContain('***');
    });
  }

  it('as the name of a host in the firewall, of which plan text is made', async () => {
    const firewall = '[firewall.out]\npolicy = reject\n[firewall.out.accept]\nx = %(DB_PASSWORD).example:80\n';
    const node = `[env]\nDB_PASSWORD = hunter2\n[daemon.w]\ncommand = sleep 1\n${firewall}`;
    const metactl = '[network]\npool = 10.99.7.0/24\n';
    // The names are not asked for.
    const wanted = { daemon: undefined, sandbox: true, start: false };
    const { plans, config } = await prepare(pathsFor(appRoot({ application: '', node, metactl })), 'myapp', wanted);
    const line = (reveal: boolean) => planText(plans[0]!, config, reveal).match(/accept x: .*/)?.[0];
    expect([line(false), line(true)]).toEqual([
      'accept x: ***.example:80, now nothing (not looked up)',
      'accept x: hunter2.example:80, now nothing (not looked up)',
    ]);
  });

  it.each(['hunt/er2', '/hunt/er2/', 'hunt//er2'])(
    'with slashes in a context path, of which a file is named: %s',
    async (value) => {
      const form =
        'platform = jetty9\njetty.home = /usr/share/jetty9\njetty.webapp = x.war\njetty.context-path = /x%(DB_PASSWORD)';
      const text = await said(`[env]\nDB_PASSWORD = ${value}\n[daemon.w]\n${form}\n`);
      expect(text).toContain('***');
      expect(text).not.toMatch(/hunt|er2/);
    },
  );

  it('from a file', async () => {
    const root = appRoot({ application: '' });
    const file = put(root, 'secret', 'hunter2\n');
    expect(await said(`[daemon.w]\ncommand = sleep 1\nplatform = %(file:${file})\n`)).not.toContain('hunter2');
  });

  it('as a password within a URL', async () => {
    const node = '[env]\nDB_URL = postgres://u:hunter2@h/x\n[daemon.w]\nplatform = %(DB_URL)\ncommand = sleep 1\n';
    expect(await said(node)).not.toContain('hunter2');
  });

  it('never stands in what check and plan say', async () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_./+-]{0,60}$/);
    const secret = fc.stringMatching(/^Q[a-zA-Z0-9+/!]{5,90}Z$/);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...FORMS), secret, word, async (form, value, before) => {
        const lines = form.replaceAll('%(DB_PASSWORD)', () => `%(VIA)`);
        const node = `[env]\nDB_PASSWORD = ${value}\nVIA = ${before}%(DB_PASSWORD)\n[daemon.w]\n${lines}\n`;
        const text = await said(node, [['check'], ['plan']]);
        // What is shown of one that is cut is hidden, too.
        expect(text.split('\n').filter((line) => line.includes(value.slice(0, 6)))).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});
