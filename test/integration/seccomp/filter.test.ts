import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seccompProgram } from '../../../src/sandbox/seccomp/index.ts';
import { javaFixtures } from '../../helpers/java.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

/** The filter on the running kernel, without the rest of the sandbox. */

const SOURCES = join(REPOSITORY, 'test/fixtures/seccomp');
const [EPERM, ENOSYS, ENOTTY, EAFNOSUPPORT] = [1, 38, 25, 97];

let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'metactl-seccomp-'));
  chmodSync(scratch, 0o755);
  for (const name of ['loader', 'calls']) {
    execFileSync('gcc', [
      '-O2',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-D_GNU_SOURCE',
      '-o',
      join(scratch, name),
      join(SOURCES, `${name}.c`),
    ]);
  }
  writeFileSync(join(scratch, 'filter'), seccompProgram(process.arch));
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Runs a program as nobody under the filter. */
function underFilter(program: string, args: readonly string[] = []) {
  const { status, signal, stdout, stderr } = spawnSync(
    join(scratch, 'loader'),
    [join(scratch, 'filter'), program, ...args],
    {
      encoding: 'utf8',
      cwd: scratch,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: scratch, LANG: 'C.UTF-8' },
      timeout: 50_000,
    },
  );
  return { status, signal, stdout, stderr };
}

describe('the filter on this kernel', () => {
  it('answers calls as the tables say', () => {
    const { status, stdout } = underFilter(join(scratch, 'calls'));
    expect(status).toBe(0);
    const answers = Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')),
    );
    expect(answers).toEqual(
      Object.fromEntries(
        Object.entries({
          clone: 0,
          'clone-newuser': EPERM,
          'clone-newnet': EPERM,
          'clone-newuser-upper-half': EPERM,
          clone3: ENOSYS,
          'unshare-newuser': EPERM,
          mount: EPERM,
          bpf: EPERM,
          keyctl: EPERM,
          io_uring_setup: EPERM,
          userfaultfd: EPERM,
          perf_event_open: EPERM,
          'number-1000': ENOSYS,
          'socket-unix': 0,
          'socket-inet': 0,
          'socket-inet6': 0,
          'socket-route': 0,
          'socket-audit': EAFNOSUPPORT,
          'socket-netfilter': EAFNOSUPPORT,
          'socket-alg': EAFNOSUPPORT,
          'socket-vsock': EAFNOSUPPORT,
          'socket-packet': EAFNOSUPPORT,
          'socketpair-unix': 0,
          'socketpair-tipc': EAFNOSUPPORT,
          'ioctl-tiocsti': EPERM,
          'ioctl-tiocsti-upper-half': EPERM,
          'ioctl-tioclinux': EPERM,
          'ioctl-winsize': ENOTTY,
          'personality-ask': 0,
          'personality-no-randomize': EPERM,
        }).map(([name, errno]) => [name, String(errno)]),
      ),
    );
  });

  // Only x86_64 has other conventions in the same process; elsewhere the program says `alive` without trying one.
  it.each(['i386', 'x32'])('kills a process that makes a call by the convention of %s', (convention) => {
    const { signal, stdout } = underFilter(join(scratch, 'calls'), [convention]);
    // A kernel may have no such convention at all: then it is the same with and without the filter.
    const without = spawnSync(join(scratch, 'calls'), [convention], { encoding: 'utf8' });
    const killed = without.signal === 'SIGSEGV' ? 'SIGSEGV' : 'SIGSYS';
    if (process.arch === 'x64') expect({ signal, stdout }).toEqual({ signal: killed, stdout: '' });
    else expect(stdout).toBe('alive\n');
  });
});

describe('programs under the filter', () => {
  it('sh and the usual tools', () => {
    const script =
      'set -e; cd /; ls -la / | sort | tail -n 1 >/dev/null; date +%F; (sleep 0 & wait); stat -c %n /etc/passwd';
    const { status, stdout, stderr } = underFilter('/bin/sh', ['-c', script]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\d\n\/etc\/passwd\n$/);
  });

  it('perl with fork and sockets', () => {
    const program =
      'use IO::Socket::INET; my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die $!;' +
      'if (!fork) { my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport) or die $!; print $c "hi\\n"; exit }' +
      'print $s->accept->getline; wait; exit $? >> 8';
    expect(underFilter('/usr/bin/perl', ['-e', program])).toMatchObject({ status: 0, stdout: 'hi\n', stderr: '' });
  });

  it('node with workers, children, name look-ups and a server', () => {
    const node = join(scratch, 'node');
    // Node may live where nobody can't go; its own shared libraries are the system's.
    copyFileSync(process.execPath, node);
    const program = `
      const { Worker } = require('node:worker_threads');
      const { execFileSync } = require('node:child_process');
      const http = require('node:http');
      const os = require('node:os');
      const fs = require('node:fs');
      const server = http.createServer((request, response) => response.end('page'));
      server.listen(0, '127.0.0.1', async () => {
        const page = await (await fetch('http://localhost:' + server.address().port)).text();
        const worker = await new Promise((done) => new Worker('require("node:worker_threads").parentPort.postMessage(6 * 7)', { eval: true }).on('message', done));
        const child = execFileSync('/bin/echo', ['child']).toString().trim();
        const file = (await fs.promises.readFile('/etc/passwd', 'utf8')).startsWith('root:');
        const links = Object.keys(os.networkInterfaces()).includes('lo');
        console.log(page, worker, child, file, links);
        server.close();
      });`;
    const { status, stdout, stderr } = underFilter(node, ['-e', program]);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'page 42 child true true\n', stderr: '' });
  });

  it('a JVM with threads, memory-mapped files, name look-ups and an attaching jcmd', () => {
    const { jobManager } = javaFixtures();
    const jar = join(scratch, 'jobmanager.jar');
    copyFileSync(jobManager, jar);
    const script = [
      'set -e',
      // There for `grep` before the job manager's shell opens it.
      ': >out',
      // A port of its own: bound by nobody else for the moment, and the job manager says when it has it.
      `port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')`,
      `java -Xmx32m -Dmetactl.app=myapp -Djava.io.tmpdir=. -jar ${jar} $port >out & pid=$!`,
      'trap "kill $pid" EXIT',
      'i=0; until grep -q listens out || [ $i = 200 ]; do i=$((i+1)); sleep 0.1; done',
      'curl -s "http://127.0.0.1:$port/"',
      'jcmd $pid VM.version | grep -c "JDK\\|Server VM"',
    ].join('\n');
    const work = mkdtempSync(join(scratch, 'java-'));
    chmodSync(work, 0o777);
    const { status, stdout, stderr } = underFilter('/bin/sh', ['-c', `cd ${work}\n${script}`]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^job manager of myapp user=nobody host=\S+\n[12]\n$/);
  });
});
