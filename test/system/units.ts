/** An app with a web server that is slow to start, for `systemd.test.ts`. */

export const UNIT = 'metactl.shop.web.service';

const SERVER = `
const { appendFileSync } = require('node:fs');
const say = (word) => {
  console.log(word);
  appendFileSync(process.env.STATE_DIRECTORY + '/said', word + '\\n');
};
say('up');
process.on('SIGHUP', () => say('reloaded'));
process.on('SIGTERM', () => process.exit(0));
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/hang') for (;;);
  response.end('hello\\n');
});
setTimeout(() => server.listen(80, () => say('listening')), 3000);
`;

/** Bash that makes it. Times are for an emulated machine. */
export const SHOP = `mkdir -p /srv/shop /etc/metactl/nodes
cat > /srv/shop/server.js <<'END'
${SERVER}
END
cat > /etc/metactl/nodes/shop.conf <<'END'
[app]
directory = /srv/shop
[sandbox.net]
mode = routed
[daemon.web]
platform = node
node.script = server.js
reload-signal = SIGHUP
restart-sec = 100ms
timeout-stop-sec = 3s
ready = http:/
health = http:/
health.interval = 1s
health.timeout = 4s
health.threshold = 2
END
chmod 600 /etc/metactl/nodes/shop.conf
mkdir -p /etc/systemd/system/${UNIT}.d
printf '[Service]\\nWatchdogSec=20\\nTimeoutAbortSec=2\\n' > /etc/systemd/system/${UNIT}.d/watchdog.conf`;

/** Bash functions about its unit; each wait is bounded. `forget` begins the app's own log anew. */
export const FUNCTIONS = `
log=/var/lib/metactl/apps/shop/state/said
forget() { cat $log >> $log.all; rm $log; }
show() { for name in "$@"; do systemctl show -P $name ${UNIT}; done; }
main() { systemctl show -P MainPID ${UNIT}; }
server() {
  for pid in $(cat /sys/fs/cgroup/metactl.slice/metactl-shop.slice/${UNIT}/metactl/shop/web/cgroup.procs); do
    if grep -qx node /proc/$pid/comm; then echo $pid; fi
  done
}
get() { curl --silent --show-error --max-time 10 http://$(metactl ip shop)$1; }
wait_for() {
  for i in $(seq 450); do if "$@"; then return; fi; sleep 0.2; done
  echo "waited in vain: $*" >&2
  systemctl status --no-pager --full ${UNIT} >&2 || true
  cat $log >&2
  return 1
}
has_lines() { [ -e $log ] && [ "$(grep -cx $1 $log)" -ge $2 ]; }
has_status() { [ "$(show StatusText)" = $1 ] && [ "$(show ActiveState)" = active ]; }
until_lines() { wait_for has_lines "$@"; }
until_status() { wait_for has_status "$@"; }
`;
