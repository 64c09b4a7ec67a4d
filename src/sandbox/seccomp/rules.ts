import { FAMILIES } from './families.ts';
import type { Action, Profile, Rule } from './profile.ts';

/** Errno values are the same on x86_64 and aarch64 (asm-generic/errno-base.h, errno.h). */
export const EPERM = 1;
export const ENOSYS = 38;
export const EAFNOSUPPORT = 97;

const ALLOW: Action = { kind: 'allow' };
const REFUSE: Action = { kind: 'errno', errno: EPERM };
const MISSING: Action = { kind: 'errno', errno: ENOSYS };
/** As on a kernel without that family: programs that merely try it go on. */
const NO_FAMILY: Action = { kind: 'errno', errno: EAFNOSUPPORT };

/** linux/sched.h. NEWTIME shares its bit with the exit signal, where no signal has it; clone(2) can't make that namespace. */
const NEW_NAMESPACES = [
  0x0002_0000, // CLONE_NEWNS
  0x0200_0000, // CLONE_NEWCGROUP
  0x0400_0000, // CLONE_NEWUTS
  0x0800_0000, // CLONE_NEWIPC
  0x1000_0000, // CLONE_NEWUSER
  0x2000_0000, // CLONE_NEWPID
  0x4000_0000, // CLONE_NEWNET
  0x0000_0080, // CLONE_NEWTIME
].reduce((mask, flag) => mask | flag, 0);

/** linux/socket.h */
const [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] = [1, 2, 10, 16];
/** linux/netlink.h: addresses and routes, which getaddrinfo and Java's NetworkInterface read. Others reach more of the kernel. */
const NETLINK_ROUTE = 0;

/** asm-generic/ioctls.h: both put input into a terminal, as if someone had typed it (CVE-2017-5226). */
const [TIOCSTI, TIOCLINUX] = [0x5412, 0x541c];

/** linux/personality.h: PER_LINUX, PER_LINUX32, both with UNAME26, and the value that only asks. No ADDR_NO_RANDOMIZE. */
const PERSONALITIES = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

export const RULES: readonly Rule[] = [
  {
    calls: ['clone'],
    cases: [{ when: [{ argument: 0, mask: NEW_NAMESPACES, values: [0] }], action: ALLOW }],
    otherwise: REFUSE,
    doc: 'without new namespaces',
  },
  // Its flags are behind a pointer, where no filter can look. ENOSYS, not EPERM: libc then falls back to clone.
  { calls: ['clone3'], cases: [], otherwise: MISSING, doc: 'not there (ENOSYS)' },
  {
    calls: ['socket', 'socketpair'],
    cases: [
      { when: [{ argument: 0, values: [AF_UNIX, AF_INET, AF_INET6] }], action: ALLOW },
      {
        when: [
          { argument: 0, values: [AF_NETLINK] },
          { argument: 2, values: [NETLINK_ROUTE] },
        ],
        action: ALLOW,
      },
    ],
    otherwise: NO_FAMILY,
    doc: 'UNIX, INET, INET6 and NETLINK_ROUTE only (EAFNOSUPPORT)',
  },
  {
    calls: ['ioctl'],
    cases: [{ when: [{ argument: 1, values: [TIOCSTI, TIOCLINUX] }], action: REFUSE }],
    otherwise: ALLOW,
    doc: 'without TIOCSTI and TIOCLINUX',
  },
  {
    calls: ['personality'],
    cases: [{ when: [{ argument: 0, values: PERSONALITIES }], action: ALLOW }],
    otherwise: REFUSE,
    doc: 'of Linux only, with address randomisation',
  },
];

/** metactl's profile `default`. */
export const DEFAULT_PROFILE: Profile = {
  allow: Object.values(FAMILIES).flat(),
  rules: RULES,
  fallback: REFUSE,
  // As runc does for a profile's unknown future: libc tries a new call, sees ENOSYS and takes the old one.
  newer: MISSING,
};
