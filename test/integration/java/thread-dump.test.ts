import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, type Site } from '../supervisor/site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

/** Its shutdown hook waits for ever, in a method of a name that is to be found. */
const STUBBORN = `public class Stubborn {
  static void waitsForNobody() {
    try { Thread.sleep(600_000); } catch (InterruptedException e) { }
  }
  public static void main(String[] args) throws Exception {
    Runtime.getRuntime().addShutdownHook(new Thread(Stubborn::waitsForNobody, "hook-that-hangs"));
    System.out.println("up");
    Thread.sleep(600_000);
  }
}
`;

it('a JVM that does not end in time tells what its threads do, before it is killed', async () => {
  const directory = site.scratch.appDirectory('shop', { 'Stubborn.java': STUBBORN });
  execFileSync('javac', ['-d', directory, join(directory, 'Stubborn.java')]);
  site.app('shop', {
    web: `platform = jvm\njvm.heap.max = 64m\njvm.main = Stubborn\njvm.classpath = ${directory}\nready = log:^up\ntimeout-stop-sec = 3s`,
  });
  expect(await site.metactl(['start', 'shop'], { timeout: 60_000 })).toMatchObject({ stderr: '', status: 0 });
  const from = performance.now();
  expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
  expect(performance.now() - from).toBeGreaterThan(2900);
  const log = readFileSync(join(site.root, 'var/log/metactl/shop/web.log'), 'utf8');
  expect(log).toContain('Full thread dump');
  expect(log).toMatch(/out: "hook-that-hangs"/);
  expect(log).toContain('Stubborn.waitsForNobody');
  const { stdout } = await site.metactl(['events', '--json', 'shop']);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event);
  expect(events.slice(-5)).toEqual(['stopping', 'thread-dump', 'killing', 'ended', 'stopped']);
  expect((await site.status('shop'))[0]).toMatchObject({ state: 'stopped', lastExit: { status: 137 } });
}, 90_000);
