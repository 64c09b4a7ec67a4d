import { getSystemErrorMap } from 'node:util';
import type { RootPlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { ErrorRecord } from './records.ts';

/** What the failure may be explained by: the host's mounts that are not in the sandbox. */
type LeftOut = RootPlan['leftOut'];

/** Turns what metactl-init reported into the error that the user sees. Pure. */
export function launchError(record: ErrorRecord, leftOut: LeftOut): MetactlError {
  const [code, text] = getSystemErrorMap().get(-record.errno) ?? [`ERRNO_${record.errno}`, `error ${record.errno}`];
  const about = record.path === '' ? '' : ` \`${record.path}\``;
  const hint = hintFor(record, code, leftOut);
  return new MetactlError(`${record.step}${about}: ${text} (${record.syscall})`, {
    code,
    errno: record.errno,
    syscall: record.syscall,
    step: record.step,
    exitStatus: record.exitStatus,
    ...(record.path === '' ? {} : { path: record.path }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** PID 1 went away without a word before the daemon was executed. */
export function diedWhileBuilding(): MetactlError {
  return new MetactlError('the sandbox was killed while it was being built', {
    code: 'METACTL_SANDBOX_DIED',
    step: 'build sandbox',
    hint: "look for an out-of-memory kill or a seccomp violation in the kernel's log (`dmesg`)",
    exitStatus: EXIT.sandbox,
  });
}

function hintFor(record: ErrorRecord, code: string, leftOut: LeftOut): string | undefined {
  if (code === 'ENOENT') {
    const mount = leftOut.find(({ path }) => record.path === path || record.path.startsWith(`${path}/`));
    if (mount !== undefined) {
      return (
        `\`${mount.path}\` is a file system of its own on this server (${mount.fsType}, ${mount.source}) and so not in ` +
        `the sandbox: name it in [sandbox.mounts] of the node file`
      );
    }
    if (record.step === 'execute')
      return 'paths are looked up inside the sandbox; if the file is a script, its `#!` line counts too';
    if (record.step === 'enter working directory')
      return 'set `working-directory` to one that is there inside the sandbox';
  }
  if (code === 'ENOMEM') {
    return 'starting takes memory too: raise memory-max of the daemon if it is small, or look at what the server has left';
  }
  if (record.step === 'set resource limit' && code === 'EPERM') {
    return `more than metactl itself may have: lower limit-${record.path}, or start metactl with a higher limit`;
  }
  if (code === 'EAGAIN' && (record.syscall === 'clone' || record.syscall === 'clone3')) {
    return 'no more processes are allowed here: raise tasks-max of the daemon, or look at the limits of the server';
  }
  if (record.step === 'map the ids of') {
    return (
      'this kernel or file system has no idmapped mounts: give the directory to ids of the block that `metactl plan` ' +
      'shows (chown -R), then it needs none'
    );
  }
  if (record.step === 'make user namespace') {
    return code === 'ENOSPC'
      ? 'the sysctl user.max_user_namespaces allows no more of them'
      : 'this kernel or the container around it allows none: set [sandbox] user-namespace = no';
  }
  if (record.step === 'execute' && code === 'EACCES')
    return 'the file and its directories must be executable for the app’s user';
  if (record.step === 'execute' && code === 'ENOEXEC')
    return 'a script needs a `#!` line; a program must be built for this machine';
  return undefined;
}
