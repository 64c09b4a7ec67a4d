/**
 * Runs in the guest, as a service: takes scripts from the virtio port, one JSON line each, runs them one after the other
 * with bash, and answers with what they printed and how they ended. Says `hello` when the machine is up.
 */
import { spawn } from 'node:child_process';
import { createReadStream, openSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

const port = openSync('/dev/virtio-ports/metactl', 'r+');

function say(message) {
  const bytes = Buffer.from(`\n${JSON.stringify(message)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(port, bytes, at);
}

function run({ id, script, timeout }) {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: '/root',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (text) => {
        output[name] += text;
      });
    }
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      // The whole process group: something may hold the pipes open.
      process.kill(-child.pid, 'SIGKILL');
    }, timeout);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ id, ...output, status: code, signal, timedOut });
    });
  });
}

say({ hello: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() });
for await (const line of createInterface({ input: createReadStream('', { fd: port, autoClose: false }) })) {
  if (line !== '') say(await run(JSON.parse(line)));
}
