import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './run-metactl.ts';

/** Debian's OpenRC, which scripts/setup.sh unpacks. */
const OPENRC = join(REPOSITORY, '.cache/openrc');

/** Directories where librc keeps what it knows of services. */
const STATES =
  'daemons exclusive failed hotplugged inactive options scheduled started starting stopping tmp wasinactive';

/**
 * A machine whose init scripts are OpenRC's: mount and PID namespaces of their own, with OpenRC laid over /usr and the given
 * scripts in /etc/init.d. `rc_sys` keeps OpenRC's hands off the cgroups, which are those of the real machine. Debian's build
 * wants the configuration of insserv.
 */
const MACHINE = `
mount -t tmpfs tmpfs /run
mkdir -p /run/openrc /run/etc/insserv.conf.d /run/init.d
mount -t overlay overlay -o "ro,lowerdir=$1/usr:/usr" /usr
echo 'rc_sys="systemd-nspawn"' > /run/etc/rc.conf
touch /run/etc/insserv.conf
mount -t overlay overlay -o ro,lowerdir=/run/etc:/etc /etc
mount -t tmpfs tmpfs /var/log
cd /run/openrc; mkdir ${STATES}; touch softlevel
cp "$2"/* /run/init.d
printf '#!/sbin/openrc-run\\nstart() { :; }\\n' > /run/init.d/localmount
chmod 755 /run/init.d/localmount
mount --bind /run/init.d /etc/init.d
cd /
until_true() {
  for i in $(seq 200); do if "$@"; then return; fi; sleep 0.05; done
  echo "waited in vain: $*" >&2
  ps axf >&2
  tail /var/log/*.log >&2
  exit 1
}
`;

/**
 * Runs a bash script (`-eu`) in such a machine, which ends with it, with all its processes. The script may wait by `until_true
 * COMMAND`, ten seconds at most. @param services a directory of init scripts. @returns what it printed, without white space at the
 * end. Rejects, with all output, if it fails or takes longer than 50 s.
 */
export function inOpenrc(services: string, script: string): Promise<string> {
  if (!existsSync(join(OPENRC, 'usr/sbin/openrc-run'))) {
    return Promise.reject(new Error(`OpenRC is not in ${OPENRC}: run \`bash scripts/setup.sh test\``));
  }
  const namespaces = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child', '--propagation', 'private'];
  const command = ['bash', '-euc', `${MACHINE}${script}`, 'openrc', OPENRC, services];
  return new Promise((resolve, reject) => {
    const child = spawn('unshare', [...namespaces, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), 50_000);
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      if (status === 0) resolve(output.stdout.trimEnd());
      else reject(new Error(`the script ended with ${status ?? signal}:\n${output.stdout}\n${output.stderr}`));
    });
  });
}
