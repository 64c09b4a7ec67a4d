import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';
import { EXAMPLE_FILES, type ExampleApp, fetchFrom, installExample, startExample } from './example-app.ts';

/** The example app as it is, on a real Jetty 9 and a real JVM, in its sandboxes. */

leakCheck();

const DAEMONS = ['webapp', 'jobmanager'] as const;

let lab: Lab;
let scratch: Scratch;
let running: Running | undefined;
let app: ExampleApp;

beforeAll(async () => {
  lab = await makeLab();
  scratch = makeScratch();
  installExample(scratch, lab);
  app = await startExample(scratch, (started) => (running = started));
});
afterAll(async () => {
  await running?.stop('SIGTERM', 40_000);
  await runMetactl(['gc'], { root: scratch.root });
  scratch.remove();
  lab.close();
});

describe('the example app', () => {
  it('answers on its address, to the host and to another server, under its own name', () => {
    for (const from of [undefined, lab.otherNetns]) {
      // user.name is the app's name; getLocalHost() is the app's name and an address that others can reach.
      expect(fetchFrom(`http://${app.address}/`, from)).toMatch(
        new RegExp(`^hello from myapp webapp user=myapp host=myapp/${app.address} context=/ heap=2[45]\\dm\n$`),
      );
      expect(fetchFrom(`http://${app.address}:9001/`, from)).toBe(
        `job manager of myapp user=myapp host=myapp/${app.address}\n`,
      );
    }
  });

  it('has the heaps of .metactl and the port of the node file on its command lines', async () => {
    const { stdout } = await runMetactl(['ps', 'myapp'], { root: app.root });
    expect(stdout).toMatch(/ java -Xmx256m -Dmetactl\.app=myapp -Dmetactl\.daemon=webapp -jar \S+\/start\.jar /);
    expect(stdout).toMatch(/ java -Xmx128m \S+ -Dmetactl\.daemon=jobmanager -jar \S+\/jobmanager\.jar 9001\n/);
  });

  it.each(DAEMONS)('reaches both daemons from %s: on 127.0.0.1, on localhost, by address and by name', async (from) => {
    for (const host of ['127.0.0.1', 'localhost', app.address, 'myapp']) {
      const urls = [`http://${host}/`, `http://${host}:9001/`];
      const { stdout } = await app.exec(from, 'curl', '-sS', '--max-time', '10', ...urls);
      expect(stdout).toMatch(/^hello from myapp webapp .*\njob manager of myapp .*\n$/);
    }
  });

  it('answers the crontab line `daily housekeeping`', async () => {
    const [, command] = /^daily housekeeping = \S+ \S+ \S+ \S+ \S+ (.+)$/m.exec(
      readFileSync(EXAMPLE_FILES.application, 'utf8'),
    )!;
    const outcome = await runMetactl(['exec', 'myapp', '--', '/bin/sh', '-c', command!], { root: app.root });
    expect(outcome).toMatchObject({ status: 0, stdout: 'housekeeping done\n' });
  });

  it('unpacks the WAR on disk, not into the memory of /tmp', async () => {
    const { stdout } = await app.exec('webapp', 'ls', '/tmp');
    expect(stdout).not.toContain('jetty');
    const work = join(app.stateDirectory, 'jetty/webapp/work');
    const [unpacked, ...more] = readdirSync(work);
    expect(more).toEqual([]);
    expect(existsSync(join(work, unpacked!, 'webapp/WEB-INF'))).toBe(true);
  });
});

describe('a JVM in the sandbox', () => {
  it.each([
    ['webapp', 512, 1],
    ['jobmanager', 640, undefined],
  ] as const)('sizes itself by the limits of %s', async (daemon, mebibytes, processors) => {
    const system = (await app.exec(daemon, 'java', '-XshowSettings:system', '-version')).stderr;
    expect(system).toContain(`Memory Limit: ${mebibytes}.00M\n`);
    if (processors !== undefined) expect(system).toContain(`Effective CPU Count: ${processors}\n`);
    const flags = (await app.exec(daemon, 'java', '-XX:+PrintFlagsFinal', '-version')).stdout;
    // A quarter of what there is, where -Xmx does not say otherwise.
    expect(Number(/ MaxHeapSize +=\s+(\d+)/.exec(flags)?.[1])).toBe((mebibytes / 4) * 1024 ** 2);
  });

  it('of a daemon knows the limit too', async () => {
    const pid = String(await app.pid('webapp'));
    const { stdout } = await app.exec('webapp', 'jcmd', pid, 'VM.info');
    expect(stdout).toMatch(/^memory_limit_in_bytes: 524288 k$/m);
  });

  it('has a pid that no other daemon of the app has, so that they share /tmp in peace', async () => {
    expect(await Promise.all(DAEMONS.map((daemon) => app.pid(daemon)))).toEqual([2, 1002]);
    for (const daemon of DAEMONS) {
      const own = daemon === 'webapp' ? '2 /usr/share/jetty9/start.jar' : '1002 \\S+/jobmanager.jar';
      const { stdout } = await app.exec(daemon, 'jps', '-lv');
      expect(stdout).toMatch(new RegExp(`^${own} .*-Dmetactl\\.daemon=${daemon}`, 'm'));
      // The other one is known by its number only.
      expect(stdout).toMatch(new RegExp(`^${daemon === 'webapp' ? '1002' : '2'} -- `, 'm'));
    }
    // A second JVM of the same pid would say that it can't have its file in hsperfdata_myapp.
    expect(running!.output.stdout).not.toContain('hsperfdata');
  });

  it('answers jcmd from its own sandbox', async () => {
    for (const daemon of DAEMONS) expect(await commandLine(daemon, daemon)).toContain(`-Dmetactl.daemon=${daemon}`);
  });

  it('answers jcmd from the sandboxes of other daemons through /tmp, once it listens there', async () => {
    await commandLine('jobmanager', 'jobmanager');
    expect(await commandLine('webapp', 'jobmanager')).toContain('-Dmetactl.daemon=jobmanager');
  });
});

/** What a daemon's JVM tells jcmd in the sandbox of `from`. */
async function commandLine(from: string, daemon: string): Promise<string> {
  return (await app.exec(from, 'jcmd', String(await app.pid(daemon)), 'VM.command_line')).stdout;
}
