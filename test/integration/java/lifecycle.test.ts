import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';
import { type ExampleApp, fetchFrom, installExample, startExample } from './example-app.ts';

/** How the example's JVMs end, and what comes after. */

leakCheck();

let lab: Lab;
let scratch: Scratch;
let running: Running | undefined;
let app: ExampleApp;

beforeAll(async () => {
  lab = await makeLab();
});
beforeEach(async () => {
  scratch = makeScratch();
  installExample(scratch, lab);
  app = await startExample(scratch, (started) => (running = started));
});
afterEach(async () => {
  await running?.stop('SIGKILL');
  await runMetactl(['gc'], { root: scratch.root });
  scratch.remove();
});
afterAll(() => lab.close());

const listed = async (daemon: string) => (await runMetactl(['ps', 'myapp', daemon], { root: app.root })).status === 0;

describe('a JVM', () => {
  it('ends on SIGTERM to `run` by its shutdown hooks, and nothing is left', async () => {
    const { status, stderr } = await app.running.stop('SIGTERM', 40_000);
    expect(status).toBe(143);
    expect(stderr).toMatch(/JettyShutdownThread: Stopped ServerConnector.*:80/);
    expect(stderr).not.toContain('metactl:');
    expect(await runMetactl(['gc'], { root: app.root })).toMatchObject({
      status: 0,
      stdout: 'nothing was left behind\n',
    });
  });

  it('that was told to end is not started again', async () => {
    await app.exec('jobmanager', 'sh', '-c', `kill -TERM ${await app.pid('jobmanager')}`);
    await expect.poll(() => listed('jobmanager'), { timeout: 10_000 }).toBe(false);
    // Longer than restart-sec.
    await sleep(500);
    expect(await listed('jobmanager')).toBe(false);
    expect(app.running.output.stderr).not.toContain('metactl:');
    expect(fetchFrom(`http://${app.address}/`)).toContain('hello from myapp');
  });

  it('that was killed is started again, at the same address', async () => {
    await app.exec('webapp', 'sh', '-c', `kill -KILL ${await app.pid('webapp')}`);
    await app.running.waitFor(/Started @[\s\S]*Started @\d+ms/, 40_000);
    expect(app.running.output.stderr).toMatch(
      /^metactl: myapp\/webapp died of SIGKILL\nmetactl: myapp\/webapp: restarting in \d+ ms\n/m,
    );
    expect(fetchFrom(`http://${app.address}/`)).toContain(`user=myapp host=myapp/${app.address} `);
    expect(fetchFrom(`http://${app.address}:9001/`)).toContain('job manager of myapp');
  });
});
