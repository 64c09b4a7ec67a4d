import type { Guest } from './guest/guest.ts';

/** An app in the guest, run by a transient unit as an administrator's own unit would run it. */
export interface GuestApp {
  readonly name: string;
  /** Its unit: `<name>-<number>.service`. */
  readonly unit: string;
  /** The daemon's cgroup. */
  readonly cgroup: (daemon?: string) => string;
  /** What metactl and the daemons printed so far. */
  output(): Promise<string>;
  /** Waits, at most 120 s, until the output matches the extended regular expression. */
  until(pattern: string): Promise<unknown>;
  /** Waits, at most 120 s, until the supervisor has ended. */
  ended(): Promise<unknown>;
  stop(): Promise<void>;
}

let last = 0;

/** Writes the node file of an app in /srv/<name>, without a network unless the text says otherwise. */
export async function configure(guest: Guest, name: string, text: string): Promise<void> {
  const network = text.includes('[sandbox.net]') ? '' : '[sandbox.net]\nmode = none\n';
  await guest.run(`mkdir -p /srv/${name} /etc/metactl/nodes
cat > /etc/metactl/nodes/${name}.conf <<'END'
[app]
directory = /srv/${name}
${network}${text}
END
chmod 600 /etc/metactl/nodes/${name}.conf`);
}

/** Starts `metactl run NAME`, in a unit with Delegate=yes unless told otherwise. */
export async function start(guest: Guest, name: string, properties = 'Delegate=yes'): Promise<GuestApp> {
  const unit = `${name}-${++last}.service`;
  const output = `/run/${unit}.output`;
  const settings = [...properties.split(' '), `StandardOutput=file:${output}`, `StandardError=file:${output}`];
  const words = settings.filter((word) => word !== '').map((word) => `-p ${word}`);
  await guest.run(`systemd-run --quiet --unit=${unit} ${words.join(' ')} metactl run ${name}`);
  const poll = (test: string, what: string) =>
    guest.run(
      `while ! { ${test}; }; do
  if [ $SECONDS -gt 120 ]; then echo "not within two minutes: ${what}" >&2; cat ${output} >&2; exit 1; fi
  sleep 0.2
done`,
      150_000,
    );
  return {
    name,
    unit,
    cgroup: (daemon = 'main') => `/sys/fs/cgroup/system.slice/${unit}/metactl/${name}/${daemon}`,
    output: () => guest.run(`cat ${output}`),
    until: (pattern) => poll(`grep -Eqs '${pattern}' ${output}`, pattern.replaceAll(/["$`]/g, '')),
    ended: () => poll(`! systemctl is-active --quiet ${unit}`, `the end of ${unit}`),
    async stop() {
      await guest.run(`if systemctl is-active --quiet ${unit}; then systemctl stop ${unit}; fi
systemctl reset-failed ${unit} 2>/dev/null || true`);
    },
  };
}
