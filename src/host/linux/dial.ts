import type { Dial } from '../host.ts';
import { addon } from './addon.ts';

/** All that `metactl status` needs of this backend. */
export const dial: Dial = (path, milliseconds) => addon().connectStream(path, milliseconds);
