import { lstatSync } from 'node:fs';
import type { HostFacts } from '../host.ts';

/** As the kernel does (acl_permission_check in fs/namei.c): the owner's bit for the owner, whatever the others are. */
export const mayEnter: HostFacts['mayEnter'] = (directory, { uid, gid, groups }) => {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return false;
  const member = found.gid === gid || groups.includes(found.gid);
  const bit = found.uid === uid ? 0o100 : member ? 0o010 : 0o001;
  return (found.mode & bit) !== 0;
};
