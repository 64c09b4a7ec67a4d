import { afterEach, describe, expect, it } from 'vitest';
import { configure, type GuestApp, start } from './apps.ts';
import { useGuest } from './guest/use-guest.ts';

/** Networks, firewalls and user namespaces with Debian's own kernel, which has all of nf_tables as modules. */
const guest = useGuest({}, (fresh) => fresh.run(NETWORK));
const running: GuestApp[] = [];

afterEach(async () => {
  for (const app of running.splice(0)) await app.stop();
});

/** Tells who asks: one for the app, one for the other server. */
const SERVER = `
require('node:http').createServer((request, response) => {
  response.end('to ' + request.socket.remoteAddress + '\\n');
}).listen(Number(process.argv[2]), '0.0.0.0', () => console.log('listening'));
process.on('SIGTERM', () => process.exit(0));
`;

/** An uplink with the default route; behind it another server, which answers on the ports 7001 and 7002. */
const NETWORK = `
mkdir -p /srv/shop /etc/metactl
cat > /srv/shop/server.js <<'END'\n${SERVER}\nEND
ip netns add other
ip link add mtest0 type veth peer name eth0 netns other
ip addr add 198.18.76.1/24 dev mtest0
ip link set mtest0 up
ip -n other link set lo up
ip -n other addr add 198.18.76.2/24 dev eth0
ip -n other link set eth0 up
ip route add default via 198.18.76.2
`;

/** Runs a script while the other server answers. */
const withServers = (script: string) => `
for port in 7001 7002; do ip netns exec other node /srv/shop/server.js $port > /tmp/$port & done
trap 'kill %1 %2; wait; rm /tmp/7001 /tmp/7002' EXIT
for port in 7001 7002; do
  while ! grep -q listening /tmp/$port; do if [ $SECONDS -gt 50 ]; then exit 1; fi; sleep 0.2; done
done
${script}`;

const curl = 'curl -sS --max-time 10';
const WEB = `[daemon.main]
platform = node
node.script = server.js
node.arguments = 80
`;

async function run(name: string, text: string): Promise<GuestApp> {
  await configure(guest, name, text);
  const app = await start(guest, name);
  running.push(app);
  return app;
}

describe('an app behind the host’s address, with a published port and a firewall', () => {
  it('is reached by the port, leaves by the host’s address, and reaches what is allowed only', async () => {
    const firewall = '[firewall.out]\npolicy = reject\n[firewall.out.accept]\nother = 198.18.76.2:7001\n';
    const app = await run('shop', `[sandbox.net]\nmode = nat\npublish = 8080:80\n${firewall}${WEB}`);
    await app.until('listening');
    expect(await guest.run(`ip netns exec other ${curl} http://198.18.76.1:8080/`)).toBe('to 198.18.76.2');
    expect(await guest.run(`${curl} http://127.0.0.1:8080/`)).toMatch(/^to /);
    const out = await guest.attempt(
      withServers(`metactl exec shop -- ${curl} http://198.18.76.2:7001/
metactl exec shop -- ${curl} http://198.18.76.2:7002/`),
    );
    expect(out.stdout).toBe('to 198.18.76.1\n');
    expect(out.status).toBe(7);
    const why = JSON.parse((await guest.attempt('metactl why shop --json')).stdout);
    expect(why.firewall).toMatchObject({ policy: 'reject', inForce: true });
    expect(why.firewall.destinations).toMatchObject([{ protocol: 'tcp', address: '198.18.76.2', port: 7002 }]);
    // What other tools forward is theirs, once they have switched it on for the whole machine.
    const rules = 'nft list chain inet metactl forward';
    expect(await guest.run(rules)).toContain('iifname "mtest0" oifname != "mt-*" drop');
    await guest.run('sysctl -qw net.ipv4.ip_forward=1');
    await app.until('somebody has switched on forwarding for the whole machine');
    expect(await guest.run(rules)).not.toContain('drop');
    await guest.run('sysctl -qw net.ipv4.ip_forward=0');
    await app.until('put back what somebody took');
    expect(await guest.run(rules)).toContain('drop');
    await app.stop();
    expect(await guest.run('sysctl -n net.ipv4.conf.mtest0.forwarding')).toBe('0');
  }, 240_000);
});

describe('a firewall of somebody else’s', () => {
  it('is told of by doctor and by run', async () => {
    const before = JSON.parse(await guest.run('metactl doctor --json'));
    const states = Object.fromEntries(before.findings.map(({ name, state }: Record<string, string>) => [name, state]));
    for (const name of ['namespace user', 'nf_tables', 'nft nat', 'link veth', 'init', 'cgroups']) {
      expect(states[name] ?? 'absent', name).toBe('ok');
    }
    expect(before.apps.every(({ state }: { state: string }) => state === 'ok')).toBe(true);
    await guest.run(
      "nft add table ip filter; nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'",
    );
    try {
      const doctor = await guest.run('metactl doctor');
      expect(doctor).toMatch(/warning +firewall ip filter FORWARD/);
      const app = await run('shop', `[sandbox.net]\nmode = nat\n${WEB}`);
      await app.until('shop runs, but .*\\(ip filter, chain FORWARD\\) drops connections of apps');
      await app.stop();
    } finally {
      await guest.run('nft delete table ip filter');
    }
  }, 180_000);
});

describe('an app with a user namespace', () => {
  it('is root inside and nobody outside, and so are its files', async () => {
    const keys =
      'user = root\nrestart = no\ncommand = /bin/sh -c "id -u; echo $$$$ > $STATE_DIRECTORY/file; exec sleep 1000"\n';
    const app = await run('boxed', `[sandbox]\nuser-namespace = yes\n[daemon.main]\n${keys}`);
    await app.until('^0$');
    const uid = await guest.run("ps -o uid= -p $(pgrep -x sleep | head -1) | tr -d ' '");
    expect(Number(uid)).toBeGreaterThanOrEqual(524_288);
    // Root inside is nobody outside, so are its files.
    const state = '/var/lib/metactl/apps/boxed/state';
    expect(await guest.run(`stat -c %u ${state} ${state}/file | sort -u`)).toBe(uid);
    expect(await guest.run(`metactl exec boxed -- stat -c %u ${state}/file`)).toBe('0');
    await app.stop();
  }, 120_000);
});
