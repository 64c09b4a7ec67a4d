import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';
import { fetchFrom } from './example-app.ts';

leakCheck();

const SERVER = `import { createServer } from 'node:http';
import { hostname, userInfo } from 'node:os';
createServer((_, answer) => answer.end('node ' + hostname() + ' ' + userInfo().username + ' ' + process.argv[2] + '\\n'))
  .listen(80, () => console.log('listening'));
`;

let lab: Lab;
let scratch: Scratch;
const running: Running[] = [];

beforeAll(async () => {
  lab = await makeLab();
  scratch = makeScratch();
  scratch.metactlConf(lab.metactlConf);
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop('SIGKILL');
  await runMetactl(['gc'], { root: scratch.root });
});
afterAll(() => {
  scratch.remove();
  lab.close();
});

async function start(app: string, up: RegExp): Promise<{ one: Running; url: string }> {
  const one = startMetactl(['run', app], { root: scratch.root });
  running.push(one);
  await one.waitFor(up);
  return { one, url: `http://${(await runMetactl(['ip', app], { root: scratch.root })).stdout.trim()}` };
}

describe('platform node', () => {
  it('serves the script of package.json with its arguments and heap', async () => {
    const directory = scratch.appDirectory('pages', {
      'package.json': '{ "type": "module", "main": "server.mjs" }',
      'server.mjs': SERVER,
    });
    const keys = 'platform = node\nnode.arguments = "a b"\nnode.heap.max = 64m\nmemory-max = 256m\n';
    scratch.node('pages', `[app]\ndirectory = ${directory}\n[daemon.web]\n${keys}`);
    const { one, url } = await start('pages', /listening/);
    for (const from of [undefined, lab.otherNetns]) expect(fetchFrom(url, from)).toBe('node pages pages a b\n');
    const { stdout } = await runMetactl(['ps', 'pages'], { root: scratch.root });
    expect(stdout).toContain(` node --max-old-space-size=64 ${directory} a b\n`);
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 143, stderr: '' });
  });
});

describe('platform exec', () => {
  it("serves the app's files by a program of the system", async () => {
    const directory = scratch.appDirectory('files', { 'index.html': 'plain files\n' });
    // Python does not flush its own log to a pipe, but for -u.
    const keys = 'command = python3 -u -m http.server 80\n';
    scratch.node('files', `[app]\ndirectory = ${directory}\n[daemon.web]\n${keys}`);
    const { one, url } = await start('files', /Serving HTTP/);
    for (const from of [undefined, lab.otherNetns]) expect(fetchFrom(`${url}/`, from)).toBe('plain files\n');
    await one.waitFor(new RegExp(`${lab.otherAddress} - - .* "GET / HTTP/1.1" 200 `));
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 143 });
  });
});
