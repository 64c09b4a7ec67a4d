import { expect, it } from 'vitest';
import { configure } from './apps.ts';
import { useGuest } from './guest/use-guest.ts';

/** What is shown only by a real systemd: installations that are killed half way, long stops, and namespaces. */
const guest = useGuest();

const APP = `[daemon.db]
command = /bin/sleep 1011
[daemon.web]
command = /bin/sleep 1012
depends-on.db = started
`;

/** Bash: \`killed N VERB APP\` kills metactl right after the Nth \`systemctl\` that it runs; N = 0: before the first. */
const KILLED = `mkdir -p /tmp/killer
cat > /tmp/killer/systemctl <<'END'
#!/bin/bash
count=$(( $(cat /tmp/killer/count) + 1 )); echo $count > /tmp/killer/count
if [ $KILL_AFTER = 0 ]; then kill -9 $PPID; exit; fi
/usr/bin/systemctl "$@"; status=$?
if [ $count = $KILL_AFTER ]; then kill -9 $PPID; fi
exit $status
END
chmod 755 /tmp/killer/systemctl
killed() {
  echo 0 > /tmp/killer/count
  if PATH=/tmp/killer:$PATH KILL_AFTER=$1 metactl $2 $3 > /dev/null 2>&1; then echo 'not killed'; fi
  [ -e /var/lib/metactl/installing/$3 ]
}
units="metactl.two.target metactl.two.db.service metactl.two.web.service"
enabled() { { systemctl is-enabled $units 2> /dev/null || true; } | sort | uniq -c | xargs; }`;

it('an install or uninstall that was killed is completed by the next one, and what was disabled meanwhile stays so', async () => {
  await configure(guest, 'two', APP);
  const outcome = await guest.run(
    `${KILLED}
for step in 0 1; do
  killed $step install two; { metactl status two 2>&1 > /dev/null || true; } | grep -c 'was not completed'
  metactl install two | tail -1; enabled; systemctl show -P NeedDaemonReload $units | sort -u | xargs
  metactl start two > /dev/null; killed $((2 * step)) uninstall two
  metactl uninstall two | tail -1; systemctl list-units --all --no-legend 'metactl*two*'
  find /etc/systemd/system /var/lib/metactl/installing -name '*two*' 2> /dev/null || true
done
killed 1 install two; metactl disable two; metactl install two | tail -1; enabled; metactl uninstall two > /dev/null
rm -r /tmp/killer /etc/metactl/nodes/two.conf; metactl purge two --yes > /dev/null || true`,
    170_000,
  );
  const finished = 'finished what an earlier run had left undone';
  const round = ['1', finished, '3 enabled', 'no', finished];
  expect(outcome.split('\n')).toEqual([...round, ...round, 'two disabled', finished, '3 disabled']);
}, 180_000);

it('a daemon that asks for more time to end gets it from systemd, too', async () => {
  await configure(guest, 'slow', '[daemon.main]\ncommand = ./run.sh\nready = notify\ntimeout-stop-sec = 4s\n');
  const outcome = await guest.run(`cat > /srv/slow/run.sh <<'END'
#!/bin/bash
trap 'for i in 1 2 3 4 5 6 7; do systemd-notify EXTEND_TIMEOUT_USEC=10000000; sleep 3; done; echo bye; exit 0' TERM
systemd-notify --ready
while true; do sleep 0.2; done
END
chmod 755 /srv/slow/run.sh; unit=metactl.slow.main.service
metactl install slow > /dev/null; systemctl start $unit; systemctl show -P TimeoutStopUSec $unit
began=$SECONDS; systemctl stop $unit; [ $((SECONDS - began)) -gt 18 ]
systemctl show -P Result $unit; journalctl --quiet --unit $unit --output cat | grep -x bye
metactl uninstall slow > /dev/null; metactl purge slow --yes > /dev/null; rm /etc/metactl/nodes/slow.conf`);
  expect(outcome).toBe('9s\nsuccess\nbye');
});

it('no directive that may stand in [systemd.Service] gives the supervisor a namespace of its own', async () => {
  // All booleans that this systemd knows, but those that metactl refuses and those that are no matter of a transient unit.
  const outcome =
    await guest.run(`spaces() { for one in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$one; done; }
/lib/systemd/systemd --dump-configuration-items | sed -n '/^\\[Service\\]/,/^$/s/=BOOLEAN$//p' > /tmp/booleans
mkdir -p /srv/spaces; : > /tmp/refused
{ echo '[app]'; echo 'directory = /srv/spaces'; echo '[daemon.main]'; echo 'command = /bin/true'; echo '[systemd.Service]'
  sed 's/$/ = yes/' /tmp/booleans; } > /etc/metactl/nodes/spaces.conf; chmod 600 /etc/metactl/nodes/spaces.conf
{ metactl check spaces 2>&1 || true; } | sed -n 's/.*found the directive .\\([A-Za-z]*\\). in.*/\\1/p' | sort -u > /tmp/refused
grep -vxFf /tmp/refused /tmp/booleans | grep -vE '^(NonBlocking|PermissionsStartOnly|TTY.*)$' | sort -u > /tmp/allowed
words=$(sed 's/.*/--property=&=yes/' /tmp/allowed)
spaces > /tmp/before
systemd-run --quiet --wait --pipe $words /bin/bash -c "$(declare -f spaces); spaces" > /tmp/after
diff /tmp/before /tmp/after; wc -l < /tmp/refused; wc -l < /tmp/allowed
rm /tmp/booleans /tmp/refused /tmp/allowed /tmp/before /tmp/after /etc/metactl/nodes/spaces.conf`);
  const [refused, allowed] = outcome.split('\n').map(Number);
  // PrivateTmp, PrivateDevices … RemainAfterExit; CPUAccounting, LockPersonality ….
  expect(refused).toBeGreaterThanOrEqual(13);
  expect(allowed).toBeGreaterThanOrEqual(15);
});
