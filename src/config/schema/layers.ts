import type { Layer } from '../types.ts';

/** Keys that say who or what the daemon is for the host: never an application's to choose (DESIGN §3, Trust). */
export const ADMINISTRATORS: readonly Layer[] = ['site', 'node'];
