import { readFileSync } from 'node:fs';
import { javaFixtures } from '../helpers/java.ts';
import type { Disk } from './guest/guest.ts';
import { javaRuntime } from './guest/java.ts';

/**
 * An app with one unit for all its daemons, for `systemd.test.ts`: `store` is watched by its own signs of life, `jobs` is a JVM that
 * knows nothing of systemd, and `frail` ends for good when it is told to.
 */

export const TEAM_UNIT = 'metactl.team.service';
export const JAVA_DISK: Disk = { size: 192, content: javaRuntime };

/** Hangs once there is a file `hang`. */
const STORE = `#!/bin/sh
echo store up
sleep 1
systemd-notify --ready
while [ ! -e $STATE_DIRECTORY/hang ]; do systemd-notify WATCHDOG=1; sleep 1; done
rm $STATE_DIRECTORY/hang
exec sleep 1020
`;
const FRAIL = `#!/bin/sh
echo frail up
while [ ! -e $STATE_DIRECTORY/fail ]; do sleep 0.2; done
rm $STATE_DIRECTORY/fail
exit 3
`;

/** Bash that makes it; the Java is on a disk. Times are for an emulated machine. */
export function teamScript(): string {
  const jar = readFileSync(javaFixtures().jobManager).toString('base64');
  return `mkdir -p /opt/java /srv/team; mount -o ro /dev/disk/by-id/virtio-java /opt/java
base64 -d > /srv/team/jobs.jar <<'END'
${jar}
END
cat > /srv/team/store.sh <<'END'
${STORE}END
cat > /srv/team/frail.sh <<'END'
${FRAIL}END
chmod 755 /srv/team/*.sh
cat > /etc/metactl/nodes/team.conf <<'END'
[app]
directory = /srv/team
[service]
unit = app
[sandbox.net]
mode = none
[sandbox.mounts]
/opt/java = ro
[daemon.jobs]
platform = jvm
jvm.home = /opt/java
jvm.jar = jobs.jar 8080
jvm.options = -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
depends-on.store = ready
ready = http:8080/
ready.timeout = 2min
health = http:8080/
health.interval = 1s
health.timeout = 5s
health.threshold = 2
timeout-stop-sec = 5s
restart-sec = 100ms
[daemon.store]
command = ./store.sh
ready = notify
watchdog-sec = 8s
restart-sec = 100ms
[daemon.frail]
command = ./frail.sh
restart = no
END
chmod 600 /etc/metactl/nodes/team.conf`;
}

/** Bash functions about it; each wait is bounded. */
export const TEAM_FUNCTIONS = `
state=/var/lib/metactl/apps/team/state
show() { for name in "$@"; do systemctl show -P $name ${TEAM_UNIT}; done; }
of() { cat /sys/fs/cgroup/metactl.slice/metactl-team.slice/${TEAM_UNIT}/metactl/team/$1/cgroup.procs | head -1; }
java() { pgrep -x java; }
lines() { journalctl --quiet --unit ${TEAM_UNIT} --output cat | grep -c -- "$1" || true; }
wait_for() {
  for i in $(seq 450); do if "$@"; then return; fi; sleep 0.2; done
  echo "waited in vain: $*" >&2
  systemctl status --no-pager --full ${TEAM_UNIT} >&2 || true
  return 1
}
has_lines() { [ $(lines "$1") -ge $2 ]; }
has_status() { [ "$(show StatusText)" = "$1" ] && [ "$(show ActiveState)" = active ]; }
until_lines() { wait_for has_lines "$@"; }
until_status() { wait_for has_status "$@"; }
`;
