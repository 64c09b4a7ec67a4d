import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { inOpenrc } from '../../helpers/openrc.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

/** Scripts of `install --export openrc` under the real openrc-run and supervise-daemon. */

leakCheck();

let scratch: Scratch;
beforeEach(() => {
  scratch = makeScratch();
});
afterEach(async () => {
  await runMetactl(['gc'], { root: scratch.root });
  scratch.remove();
});

const SH = `#!/bin/sh
name=$1; shift
say() { echo "$1" >> "$STATE_DIRECTORY/$name"; }
trap 'say reloaded' HUP
trap 'say stopped; exit 0' TERM
say "up $*"
echo "$name said so"
while :; do sleep 0.05; done
`;

/** Exports the app `shop`. @returns the directory of its scripts, and bash functions about them. */
async function shop(daemons: string): Promise<readonly [services: string, functions: string]> {
  const directory = scratch.appDirectory('shop', { 'serve.sh': SH });
  scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n${daemons}`);
  const services = join(scratch.root, 'services');
  const { status, stderr } = await runMetactl(['install', 'shop', '--export', 'openrc', '--to', services], {
    root: scratch.root,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const paths = pathsFor(scratch.root);
  const name = `metactl-${paths.nodeId}.shop`;
  return [
    services,
    `db=${name}.db web=${name}.web
said() { [ "$(cat ${paths.stateDirectory('shop')}/$1 2>/dev/null | tr '\\n' ' ')" = "$2 " ]; }
forget() { rm ${paths.stateDirectory('shop')}/$1; }
status() { rc-service $1 status 2>&1 | sed 's/^ [*] //' || true; }
is() { [ "$(status $1)" = "status: $2" ]; }
supervisor() { pgrep -f "run --unit shop $1\\$" | while read pid; do if [ $(cat /proc/$pid/comm) = node ]; then echo $pid; fi; done; }
run() { "$@" > /run/said 2>&1 || { cat /run/said >&2; exit 1; }; }
`,
  ];
}

it('starts what is depended on, keeps, reloads, and stops without leaving anything', async () => {
  const [services, functions] = await shop(`[daemon.db]
command = ./serve.sh db "a b" $x 'it"s' %n
[daemon.web]
command = ./serve.sh web
reload-signal = SIGHUP
depends-on.db = ready
`);
  const outcome = await inOpenrc(
    services,
    `${functions}
run rc-service $web start; until_true said web 'up '; status $db; status $web
run rc-service $web reload; until_true said web 'up  reloaded'
forget web; before=$(supervisor web); kill -9 $before
until_true said web 'up '; [ $before != $(supervisor web) ]; status $web
run rc-service $web stop; said web 'up  stopped'; status $web; status $db
run rc-service $db stop; cat ${pathsFor(scratch.root).stateDirectory('shop')}/db
pgrep -fa metactl > /run/left || true; grep -v '^1 ' /run/left || true
cat /var/log/$db.log /var/log/$web.log`,
  );
  expect(outcome.split('\n')).toEqual([
    ...['status: started', 'status: started'],
    'status: started',
    ...['status: stopped', 'status: started'],
    ...['up a b $x it"s %n', 'stopped'],
    // Nothing about what it depends on: that is OpenRC's business.
    ...['db said so', 'web said so', 'Killed', 'web said so'],
  ]);
});

it('leaves alone what gave up or ended well, and has its last words in a log', async () => {
  const [services, functions] = await shop(`[daemon.db]
command = /bin/sh -c "echo up >> $STATE_DIRECTORY/db; exit 3"
restart = no
[daemon.web]
command = /bin/sh -c "echo up >> $STATE_DIRECTORY/web"
`);
  const outcome = await inOpenrc(
    services,
    `${functions}
for one in $db $web; do run rc-service $one start; until_true is $one stopped; done
sleep 2.5; said db up; said web up; status $db; status $web
pgrep -fa metactl > /run/left || true; grep -v '^1 ' /run/left || true
cat /var/log/$db.log /var/log/$web.log`,
  );
  expect(outcome).toMatch(/^status: stopped\nstatus: stopped\n.*shop\/db.*status 3/s);
});
