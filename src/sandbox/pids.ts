/**
 * Each sandbox has a PID namespace, in which its daemon would be pid 2 like all others. But an app's daemons share /tmp,
 * and there a JVM keeps what is named after its pid: `/tmp/.java_pid2`, through which jcmd talks to it, and
 * `/tmp/hsperfdata_USER/2`. With the same pids jcmd talks to another daemon's JVM. So every daemon counts from a pid of
 * its own, with room for its children, which may be JVMs too.
 */

/** PID 1 is metactl-init. */
const FIRST = 2;
const ROOM = 1000;
/** Below the smallest usual pid_max, 32768. More daemons than that begin anew. */
const PLACES = 30;
const FRESH = FIRST + PLACES * ROOM;

/** For the daemon at this place among the app's; the first one has what the kernel gives anyway. Pure. */
export function firstPid(index: number): { readonly firstPid?: number } {
  const place = Math.max(0, index) % PLACES;
  return place === 0 ? {} : { firstPid: FIRST + place * ROOM };
}

/** For a one-off sandbox (`exec --fresh`), by the pid of the metactl that makes it. Pure. */
export function freshFirstPid(pid: number): number {
  return FRESH + (pid % ROOM);
}
