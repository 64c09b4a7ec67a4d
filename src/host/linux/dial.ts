import type { Dial } from '../dial.ts';
import { addon } from './addon.ts';
import { peerOf } from './peer.ts';

/** All that `metactl status` needs of this backend. */
export const dial: Dial = Object.assign(
  (path: string, milliseconds: number) => addon().connectStream(path, milliseconds),
  { peer: (fd: number) => peerOf(addon().peerCredentials(fd).pid) },
);
