import { describe, expect, it } from 'vitest';
import { configure } from './apps.ts';
import { useGuest } from './guest/use-guest.ts';
import { JAVA_DISK, TEAM_FUNCTIONS, TEAM_UNIT, teamScript } from './team.ts';
import { FUNCTIONS, SHOP, UNIT } from './units.ts';
import { UPLINK_UNIT } from './uplink.ts';

/** Apps as units of a real systemd, from `metactl install` to the next boot. */
const guest = useGuest({ disks: { java: JAVA_DISK } }, (fresh) => fresh.run(`${UPLINK_UNIT}\n${SHOP}`));

/** Runs a script with the functions of `units.ts`, within so many seconds. */
const run = (script: string, seconds = 150) => guest.run(`${FUNCTIONS}\n${script}`, seconds * 1000);

describe('a unit of `metactl install`', () => {
  it('is one that systemd has nothing against', async () => {
    expect(await run('metactl install shop')).toMatch(/^wrote .*metactl\.shop\.web\.service$/m);
    expect(await run(`systemd-analyze verify ${UNIT} metactl.shop.target 2>&1`)).toBe('');
    expect(await run(`systemctl is-enabled ${UNIT} metactl.shop.target`)).toBe('enabled\nenabled');
    const security = await run(`systemd-analyze security --no-pager ${UNIT} | tail -1`);
    // What systemd could restrict here is what metactl needs to make the app's own sandbox.
    console.log(`systemd-analyze security: ${security}`);
    expect(security).toContain('Overall exposure level');
  });

  it('is up only when the probe has passed, stays up whatever dies or hangs, and leaves nothing', async () => {
    const states = await run(`systemctl start --no-block ${UNIT}
seen=
for i in $(seq 450); do
  state=$(systemctl is-active ${UNIT} || true)
  case $state in
    activating) if has_lines up 1; then seen=activating; fi;;
    active) has_lines listening 1; echo "$seen then active"; exit;;
    *) echo $state; exit 1;;
  esac
  sleep 0.2
done
exit 1`);
    expect(states).toBe('activating then active');
    // A restart asked for while it starts: one server, and a start that is waited for.
    expect(
      await run(`systemctl stop ${UNIT}; show ActiveState Result; forget
systemctl start --no-block ${UNIT}; until_lines up 1
systemctl restart ${UNIT}; until_status ready; show SubState NRestarts; server | wc -l; get /`),
    ).toBe('inactive\nsuccess\nrunning\n0\n1\nhello');
    const lines = (await run(`journalctl --quiet --unit ${UNIT} --output json`))
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    const listening = lines.filter(({ MESSAGE }) => MESSAGE === 'listening');
    expect(listening[0]).toMatchObject({ METACTL_APP: 'shop', METACTL_DAEMON: 'web', _SYSTEMD_UNIT: UNIT });
    expect(
      await run(
        `[ $(journalctl --quiet --unit ${UNIT} --output cat | grep -cx up) = $(cat $log.all $log | grep -cx up) ]`,
      ),
    ).toBe('');
    expect(await run('metactl logs shop --raw')).toContain('listening');

    // How systemd tells journald that the unit has a limit of its own: one that no line meets.
    expect(await run(`readlink /run/systemd/units/log-rate-limit-interval:${UNIT}`)).toBe('1');

    // The daemon hangs, dies, loads again: metactl's business.
    expect(
      await run(`forget; before=$(main); get /hang > /dev/null 2>&1 || true
until_lines up 1; until_status ready; get /
kill -9 $(server); until_lines up 2; until_status ready; get /
systemctl reload ${UNIT}; until_lines reloaded 1
[ $before = $(main) ]; show ActiveState NRestarts`),
    ).toBe('hello\nhello\nactive\n0');

    // The supervisor dies, hangs: systemd's.
    expect(
      await run(`forget; kill -9 $(main); until_lines up 1; until_status ready; get /
kill -STOP $(main); until_lines up 2; until_status ready; get /
server | wc -l; show ActiveState NRestarts`),
    ).toBe('hello\nhello\n1\nactive\n2');

    // What it was installed from is gone: all that it needs has been loaded.
    expect(
      await run(`forget; address=$(metactl ip shop)
installed=$(dirname $(dirname $(readlink -f /usr/local/bin/metactl)))
mv $installed $installed.away; trap "mv $installed.away $installed" EXIT
kill -9 $(server); until_lines up 1; until_status ready; curl --silent http://$address/
systemctl kill --signal=HUP --kill-whom=main ${UNIT}; until_lines reloaded 1
systemctl stop ${UNIT}; show ActiveState Result`),
    ).toBe('hello\ninactive\nsuccess');
    const said = await run(`journalctl --quiet --unit ${UNIT} --output cat`);
    expect(said).toMatch(/shop\/web: not well 2 times in a row/);
    expect(said).toContain('shop/web died of SIGKILL');
    expect(said).toContain('Watchdog timeout');
  }, 400_000);

  it('fails where metactl gives up, with a status that systemd leaves at that', async () => {
    await configure(guest, 'lost', '[daemon.main]\ncommand = /bin/sh -c "exit 3"\nrestart = no\nready = fd:3\n');
    await configure(guest, 'wrong', '[daemon.main]\ncommand = /bin/true\n');
    await guest.run('metactl install lost; metactl install wrong; echo nonsense = 1 >> /etc/metactl/nodes/wrong.conf');
    const outcome = await run(`for app in lost wrong; do
  if systemctl start metactl.$app.main.service 2> /dev/null; then exit 1; fi
  for name in ActiveState ExecMainStatus NRestarts; do systemctl show -P $name metactl.$app.main.service; done
done
systemctl show -P StatusText metactl.lost.main.service
systemctl reset-failed
rm /etc/metactl/nodes/wrong.conf; metactl uninstall lost > /dev/null; metactl uninstall wrong > /dev/null`);
    expect(outcome).toBe('failed\n69\n0\nfailed\n78\n0\nfailed: ended with status 3');
  });
});

it('one unit for all daemons of an app, one of them a JVM', async () => {
  await guest.run(teamScript());
  const team = (script: string, seconds = 150) => guest.run(`${TEAM_FUNCTIONS}\n${script}`, seconds * 1000);
  // In order, and up only when all are ready.
  expect(
    await team(`metactl install team > /dev/null
systemd-analyze verify ${TEAM_UNIT} metactl.team.target 2>&1
systemctl start ${TEAM_UNIT}; show ActiveState StatusText
systemctl --no-legend --plain list-units 'metactl.team*.service' | wc -l
journalctl --quiet --unit ${TEAM_UNIT} --output cat | grep -E '^(store up|job manager|Started)|ready after' | sed 's/ after.*//'`),
  ).toBe(
    'active\njobs, store: ready; frail: running\n1\n' +
      'store up\nmetactl: team/store: ready\njob manager listens on 8080\nmetactl: team/jobs: ready\n' +
      `Started ${TEAM_UNIT} - metactl: team.`,
  );

  // A JVM that hangs, a daemon whose signs of life stay away: metactl's business, and only theirs.
  expect(
    await team(`main=$(show MainPID); frail=$(of frail); store=$(of store)
kill -STOP $(java); until_lines '^job manager listens' 2; until_status 'jobs, store: ready; frail: running'
[ $store = $(of store) ]; jobs=$(java)
touch $state/hang; until_lines '^store up' 2; until_status 'jobs, store: ready; frail: running'
[ $main = $(show MainPID) ]; [ $frail = $(of frail) ]; [ $jobs = $(java) ]; show NRestarts
store=$(of store); metactl restart team frail; [ $store = $(of store) ]; [ $frail != $(of frail) ]
systemctl reload ${TEAM_UNIT}; show ActiveState`),
  ).toBe('0\nteam/frail is up again, with the configuration that it was run with\nactive');

  // One that is given up: the others run on, and everybody who asks is told.
  const seen = await team(`touch $state/fail; until_status 'jobs, store: ready; frail: failed: ended with status 3'
show ActiveState; metactl status team || echo status $?; metactl why team || echo why $?
metactl logs team frail | tail -1
metactl events team | tail -1
metactl start team frail; metactl start team | sort; until_status 'jobs, store: ready; frail: running'; show StatusText
metactl stop team frail; metactl start team | sort; until_status 'jobs, store: ready; frail: running'; show StatusText`);
  expect(seen).toMatch(/^active\nDAEMON /);
  for (const line of [/team\/frail +failed .*/, /team\/jobs +ready .*/, /team\/store +ready .*/, /status 3/, /why 3/]) {
    expect(seen).toMatch(new RegExp(`\\n${line.source}\\n`));
  }
  expect(seen).toContain('\nerror: team/frail is not running: failed, ended with status 3\n');
  expect(seen.split('\n').slice(-12)).toEqual([
    expect.stringMatching(/^\S+Z out: frail up$/),
    expect.stringMatching(/ team\/frail failed/),
    'team/frail is up, with the configuration that it was run with',
    ...['team/frail was running', 'team/jobs was running', 'team/store was running'],
    'jobs, store: ready; frail: running',
    'team/frail is stopped',
    'team/frail is up, with the configuration that it was run with',
    ...['team/jobs was running', 'team/store was running'],
    'jobs, store: ready; frail: running',
  ]);

  // Nothing is left, also where one is given up before all are up.
  expect(
    await team(`systemctl stop ${TEAM_UNIT}; show ActiveState Result; pgrep -a 'java|metactl-init' || true
ls /sys/fs/cgroup/metactl.slice/metactl-team.slice 2> /dev/null | grep metactl || true
touch $state/fail; if systemctl start ${TEAM_UNIT} 2> /dev/null; then exit 1; fi
show ActiveState ExecMainStatus NRestarts StatusText
pgrep -a 'java|metactl-init' || true; metactl status team || echo status $?
metactl uninstall team > /dev/null; systemctl --failed --no-legend; metactl purge team --yes > /dev/null
rm -r /etc/metactl/nodes/team.conf; umount /opt/java`),
  ).toMatch(
    /^inactive\nsuccess\nfailed\n69\n0\n.*frail: failed: ended with status 3\nDAEMON .*\n(?=(?:.*\n)*team\/frail +failed .*\n {2}ended with status 3\n)(?:team\/\w+ +(?:failed|stopped) .*\n(?: {2}.*\n)?){3}status 3$/,
  );
}, 300_000);

const MANY = `mkdir -p /srv/many
cat > /srv/many/bare <<'END'
#!/bin/sh
exec sleep 1000
END
chmod 755 /srv/many/bare
printf '[Service]\\nType=exec\\nExecStart=/srv/many/bare\\n' > /etc/systemd/system/bare@.service
for i in $(seq 25); do
  printf '[app]\\ndirectory = /srv/many\\n[sandbox.net]\\nmode = none\\n[daemon.main]\\ncommand = /bin/sleep 1000\\nready.timeout = 5min\\n' \
    > /etc/metactl/nodes/many-$i.conf
done
chmod 600 /etc/metactl/nodes/*
metactl install all > /dev/null; echo installed $SECONDS
node -e 'setInterval(() => {}, 1e6)' & node=$!
trap "kill $node" EXIT
units=$(printf 'metactl.many-%s.main.service ' $(seq 25)); bare=$(printf 'bare@%s.service ' $(seq 25))
now() { date +%s%N; }
# NAME PID...: of each process, private and huge pages in KiB.
own() {
  name=$1; shift
  awk -v name=$name 'FNR == 1 && NR > 1 { print name, sum, huge; sum = huge = 0 }
/^Private_(Clean|Dirty)/ { sum += $2 } /^AnonHuge/ { huge += $2 } END { print name, sum, huge }' $(printf '/proc/%s/smaps_rollup ' "$@")
}
begin=$(now); systemctl start $bare; echo bare $(( ($(now) - begin) / 1000000 )); systemctl stop $bare
begin=$(now)
if ! systemctl start $units; then journalctl -b -o cat -u 'metactl.many-*' | sort | uniq -c | sort -rn | head -20; exit 1; fi
echo units $(( ($(now) - begin) / 1000000 ))
systemctl is-active $units | sort | uniq -c
# Each gives back what it does not need some seconds after its start, and what came up after that a minute later: 25 at once are slow here.
supervisors=$(systemctl show -P MainPID $units)
for i in $(seq 40); do
  sleep 2
  own memory $supervisors > /tmp/memory
  if awk '$2 * 1024 > 12e6 { most = 1 } END { exit most }' /tmp/memory; then break; fi
done
cat /tmp/memory; rm /tmp/memory
own node $node
own init $(pgrep -xo metactl-init)`;

// By hand: 25 times `metactl uninstall` would take longer than all the rest.
const MANY_LESS = `systemctl stop 'metactl.many-*'
cd /etc/systemd/system
rm -r metactl.many-* metactl-many* multi-user.target.wants/metactl.many-* bare@.service /etc/metactl/nodes/many-* /srv/many
systemctl daemon-reload; systemctl reset-failed
if [ -e metactl.shop.web.service ]; then metactl uninstall shop > /dev/null; fi`;

it('25 units: time to active beside bare services, and memory of their own', async () => {
  // Alone on two cores it takes a minute and a half.
  const outcome = await run(MANY, 280).finally(() => run(MANY_LESS, 120));
  const number = (name: string) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(outcome)?.[1]);
  // Of /proc/PID/smaps_rollup, in kB of 1024 bytes: Private_Clean and Private_Dirty of the supervisor, as of the bare Node beside
  // which it is to be seen. Its metactl-init, which every sandbox has, is some 30 kB more, and no Node.
  const memory = [...outcome.matchAll(/^memory (\d+) /gm)]
    .map(([, size]) => (Number(size) * 1024) / 1e6)
    .sort((a, b) => a - b);
  const [middle, worst] = [memory[12]!, memory.at(-1)!];
  const mean = memory.reduce((sum, one) => sum + one, 0) / memory.length;
  console.log(
    `25 units active after ${number('units')} ms, 25 bare services after ${number('bare')} ms (emulated)\n` +
      `private memory of a supervisor: ${mean.toFixed(1)} MB (mean), ${middle.toFixed(1)} (median), ${worst.toFixed(1)} (worst); ` +
      `of a bare Node: ${((number('node') * 1024) / 1e6).toFixed(1)}; of a metactl-init: ${number('init')} KiB\n` +
      `each, and its huge pages, in KiB: ${[...outcome.matchAll(/^memory (\d+ \d+)$/gm)].map(([, sizes]) => sizes).join(', ')}`,
  );
  expect(outcome).toMatch(/^\s*25 active$/m);
  expect(memory).toHaveLength(25);
  // Each by itself: with the kernel's huge pages, which supervisors of units go without, one in ten had up to 15 MB.
  expect(worst).toBeLessThanOrEqual(12);
}, 400_000);

it('apps go on while their supervisors are replaced by another metactl: with units of their own', async () => {
  await configure(guest, 'unit', '[daemon.main]\ncommand = /bin/sh -c "echo begun; exec sleep 1002"\n');
  const outcome = await run(`metactl install unit > /dev/null; unit=metactl.unit.main.service; systemctl start $unit
facts() { systemctl show -P MainPID $unit; systemctl show -P NRestarts $unit; pgrep -fx 'sleep 1002'; }
before=$(facts)
metactl reexec; [ "$before" = "$(facts)" ]; systemctl is-active $unit; systemctl show -P StatusText $unit
kill -9 $(pgrep -fx 'sleep 1002')
for i in $(seq 300); do
  if [ $(journalctl --quiet --unit $unit --output cat | grep -cx begun) = 2 ]; then break; fi; sleep 0.2
done
systemctl is-active $unit; systemctl show -P NRestarts $unit
systemctl stop $unit; systemctl show -P Result $unit
metactl uninstall unit > /dev/null; rm /etc/metactl/nodes/unit.conf`);
  expect(outcome).toMatch(
    /^the supervisor of unit \(pid \d+\) is metactl \S+ now; it was \S+\nactive\nrunning\nactive\n0\nsuccess$/,
  );
});

it('and without', async () => {
  await configure(guest, 'plain', '[daemon.main]\ncommand = /bin/sleep 1001\n');
  const outcome = await run(`metactl start plain > /dev/null; pid=$(pgrep -fx '/bin/sleep 1001')
metactl reexec; [ $pid = $(pgrep -fx '/bin/sleep 1001') ]; metactl stop all > /dev/null; rm /etc/metactl/nodes/plain.conf`);
  expect(outcome).toMatch(/^the supervisor \(pid \d+\) is metactl /);
});

it('the verbs of metactl have systemd do it', async () => {
  await configure(guest, 'verbs', '[daemon.main]\ncommand = /bin/sleep 1003\n');
  const outcome = await run(`unit=metactl.verbs.main.service; main() { systemctl show -P MainPID $unit; }
enabled() { systemctl is-enabled $unit metactl.verbs.target || true; }
metactl install verbs --no-enable > /dev/null; enabled
metactl enable verbs; enabled
printf '[systemd.Install]\nAlias = verbs.service\n' >> /etc/metactl/nodes/verbs.conf
metactl install verbs > /dev/null; readlink /etc/systemd/system/verbs.service
metactl start verbs; systemctl is-active $unit; before=$(main)
metactl restart verbs; systemctl is-active $unit; [ $before != $(main) ]
metactl stop verbs; systemctl is-active $unit || true
metactl disable verbs; enabled
metactl uninstall verbs > /dev/null; rm /etc/metactl/nodes/verbs.conf; ls /etc/systemd/system | grep verbs || true`);
  expect(outcome.split('\n')).toEqual([
    ...['disabled', 'disabled', 'verbs enabled', 'enabled', 'enabled'],
    expect.stringMatching(/\/metactl\.verbs\.main\.service$/),
    ...[expect.stringContaining('verbs/main'), 'active', expect.stringContaining('verbs/main'), 'active'],
    ...[expect.stringContaining('verbs/main'), 'inactive', 'verbs disabled', 'disabled', 'disabled'],
  ]);
});

it('`status` tells of a unit that gave up beside one that runs, also when it is not configured any more', async () => {
  const good = '[daemon.good]\ncommand = /bin/sleep 1005\n';
  await configure(guest, 'pair', `${good}[daemon.lost]\ncommand = /bin/sh -c "exit 3"\nrestart = no\n`);
  const missing = 'metactl: pair/third has no unit: metactl install pair makes one';
  const gone =
    'metactl: pair/lost has a unit, and is not in the configuration any more: metactl install pair removes it';
  const outcome =
    await run(`said() { metactl status pair "$@" > /tmp/said || echo status $?; awk '{ print $1, $2 }' /tmp/said; }
metactl install pair > /dev/null; systemctl start metactl.pair.good.service
systemctl start metactl.pair.lost.service || true; wait_for systemctl is-failed --quiet metactl.pair.lost.service
said; metactl status | grep -o '^pair/lost *failed'; (metactl status pair --json || true) | grep -o '"state": "failed"'
sed -i '/daemon.lost/,$d' /etc/metactl/nodes/pair.conf; said 2>&1
printf '[daemon.third]\\ncommand = /bin/sleep 1006\\n' >> /etc/metactl/nodes/pair.conf
metactl restart pair good 2>&1; metactl start pair --no-wait 2>&1 | sort; metactl status pair third 2>&1 > /dev/null || echo status $?
metactl uninstall pair > /dev/null; rm /etc/metactl/nodes/pair.conf /tmp/said`);
  expect(outcome.split('\n')).toEqual([
    ...['status 3', 'DAEMON STATE', 'pair/good running', 'pair/lost failed', 'failed: ended'],
    ...[expect.stringMatching(/^pair\/lost +failed$/), '"state": "failed"'],
    gone,
    ...['status 3', 'DAEMON STATE', 'pair/good running', 'pair/lost failed*', 'failed: ended', 'not in'],
    'pair/good is up again',
    ...[gone, missing, 'pair/good was running'],
    ...[missing, 'status 3'],
  ]);
});

it('units that were changed by hand stay, unless it is forced; then nothing stays', async () => {
  await configure(guest, 'hand', '[daemon.main]\ncommand = /bin/sleep 1004\n');
  const outcome = await run(`unit=/etc/systemd/system/metactl.hand.main.service
metactl install hand > /dev/null; metactl start hand > /dev/null; sed -i 's/^RestartSec=.*/RestartSec=7s/' $unit
refused() { if "$@" > /dev/null 2> /tmp/said; then exit 1; fi; grep -Eo "^metactl: won't [a-z]+|hint: [^,]*" /tmp/said; }
refused metactl install hand; refused metactl uninstall hand; refused metactl purge hand --yes
metactl install hand --dry-run | grep '^[-+]Restart'; metactl purge hand --dry-run | grep force
systemctl is-active metactl.hand.main.service; grep RestartSec $unit
metactl uninstall hand --force > /dev/null; metactl purge hand --yes > /dev/null; rm /etc/metactl/nodes/hand.conf /tmp/said
find /etc/systemd /run/systemd/system /run/systemd/units /sys/fs/cgroup /run/metactl /var/lib/metactl /var/log/metactl -name '*hand*' 2> /dev/null || true
systemctl list-units --all --no-legend --plain '*hand*'`);
  expect(outcome.split('\n')).toEqual([
    ...["metactl: won't overwrite", 'hint: --dry-run shows the difference'],
    ...["metactl: won't remove", 'hint: --dry-run shows the difference'],
    ...["metactl: won't remove", 'hint: `metactl uninstall hand --dry-run` shows the difference'],
    ...['-RestartSec=7s', '+RestartSec=1s'],
    'would remove unit /etc/systemd/system/metactl.hand.main.service, with --force: it was changed by hand',
    ...['active', 'RestartSec=7s'],
  ]);
});

it('apps are back after a reboot', async () => {
  // Its watchdog is for a machine that is not just booting.
  await run(`rm -rf /etc/systemd/system/${UNIT}.d; metactl install shop > /dev/null; systemctl start ${UNIT}`);
  await guest.reboot();
  const outcome = await run(`until_status ready; get /; show ActiveState NRestarts
if [ $(show NRestarts) != 0 ]; then journalctl --boot --output short-monotonic --no-pager | tail -100; fi
metactl uninstall shop > /dev/null`);
  expect(outcome).toBe('hello\nactive\n0');
}, 300_000);
