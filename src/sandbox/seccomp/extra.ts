import { MetactlError } from '../../util/error.ts';
import { quoted } from '../../util/escape.ts';
import { nearest } from '../../util/suggest.ts';
import { ARCHITECTURES } from './architectures.ts';

/**
 * What `[sandbox] allow-syscalls` never adds, by what it would let the app do: the sandbox rests on these. An app has no
 * capabilities, so that most fail anyway; but a user namespace, which needs none, gives all of them inside and reaches
 * the kernel code where most sandbox escapes of the last years were.
 */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  'makes or enters namespaces': ['clone', 'clone3', 'setns', 'unshare'],
  'changes mounts': [
    ...['fsconfig', 'fsmount', 'fsopen', 'fspick', 'mount', 'mount_setattr', 'move_mount', 'open_tree'],
    ...['open_tree_attr', 'pivot_root', 'umount2'],
  ],
  'opens files past the mounts': ['open_by_handle_at'],
  'runs code in the kernel': [
    ...['bpf', 'create_module', 'delete_module', 'finit_module', 'init_module', 'kexec_file_load', 'kexec_load'],
  ],
  'acts on the whole machine': [
    ...['_sysctl', 'acct', 'clock_settime', 'ioperm', 'iopl', 'nfsservctl', 'quotactl', 'quotactl_fd', 'reboot'],
    ...['settimeofday', 'swapoff', 'swapon'],
  ],
  'types into terminals': ['ioctl'],
};

/** What an administrator should know about a call that may be added. */
const NOTES: Readonly<Record<string, string>> = {
  add_key: 'kernel keyrings',
  io_uring_enter: 'the filter does not see calls made by io_uring',
  io_uring_register: 'the filter does not see calls made by io_uring',
  io_uring_setup: 'the filter does not see calls made by io_uring',
  keyctl: 'kernel keyrings',
  perf_event_open: 'watches the processor',
  personality: 'also without address randomisation',
  request_key: 'kernel keyrings',
  socket: 'every address family, also those without network namespaces, such as VSOCK',
  socketpair: 'every address family',
  syslog: 'reads kernel messages',
  userfaultfd: 'helps exploits of kernel bugs',
};

let names: readonly string[] | undefined;

/** Names of all system calls of all architectures: collected once, not for each daemon that is planned. */
function known(): readonly string[] {
  names ??= [...new Set(ARCHITECTURES.flatMap(({ numbers }) => Object.keys(numbers)))];
  return names;
}

/**
 * Checks names that `allow-syscalls` adds. A name that only another architecture has is known: it adds nothing here.
 * @param where `FILE:LINE: [section] key: `, or empty.
 * @throws MetactlError (78) METACTL_UNKNOWN_SYSCALL or METACTL_SYSCALL_REFUSED for the first that can't be.
 */
export function checkExtra(names: readonly string[], where = ''): void {
  if (names.length === 0) return;
  const all = known();
  for (const name of names) {
    if (!all.includes(name)) throw unknown(name, all, where);
    const reason = refusalOf(name);
    if (reason !== undefined) throw refused(name, reason, where);
  }
}

function refusalOf(name: string): string | undefined {
  return Object.keys(REFUSED).find((key) => REFUSED[key]!.includes(name));
}

/**
 * Why nothing in `allow-syscalls` would let a call through, after "it …"; undefined: its name does. Pure.
 * @param call as `callName` gives it.
 */
export function whyNeverAllowed(call: string): string | undefined {
  if (/ of \S+$/.test(call)) return "is not of this machine's own convention, and all of those are killed";
  return known().includes(call) ? refusalOf(call) : 'has no name that this version knows';
}

function unknown(name: string, all: readonly string[], where: string): MetactlError {
  const near = nearest(name, all);
  const message = `${where}there is no system call ${quoted(name)}${near === undefined ? '' : `; did you mean \`${near}\`?`}`;
  return new MetactlError(message, {
    code: 'METACTL_UNKNOWN_SYSCALL',
    step: 'compile the system call filter',
    path: name,
    hint: 'use the names of syscalls(2)',
    exitStatus: 78,
  });
}

function refused(name: string, reason: string, where: string): MetactlError {
  return new MetactlError(`${where}\`${name}\` can't be allowed: it ${reason}`, {
    code: 'METACTL_SYSCALL_REFUSED',
    step: 'compile the system call filter',
    path: name,
    hint: 'the sandbox rests on it; [sandbox] seccomp = none does without any filter',
    exitStatus: 78,
  });
}

/** `name` or `name (what an administrator should know)`. Pure. */
export function describeExtra(name: string): string {
  const note = NOTES[name];
  return note === undefined ? name : `${name} (${note})`;
}
