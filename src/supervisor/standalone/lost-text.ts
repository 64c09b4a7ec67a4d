import type { LostSupervisor } from '../../host/supervisor-host.ts';

/** What the log says of a supervisor that went without a word. Pure. */
export function lostText(lost: LostSupervisor): string {
  const { daemons } = lost;
  const names = daemons.map(({ app, daemon }) => `${app}/${daemon}`).join(', ');
  const count = `${daemons.length} daemon${daemons.length === 1 ? '' : 's'}`;
  const with_ = daemons.length === 0 ? '; no daemon of it is on record' : `; ${count} ended with it: ${names}`;
  return `${whoText(lost)} ${wayText(lost)}${with_}`;
}

/** The same for one of these daemons. Pure. */
export function endedText(lost: LostSupervisor): string {
  return `ended with its supervisor: ${whoText(lost)} ${wayText(lost)}`;
}

function whoText({ pid, since }: LostSupervisor): string {
  return `the supervisor before this one (pid ${pid}, since ${new Date(since).toISOString()})`;
}

function wayText({ killedFor }: LostSupervisor): string {
  return `did not end by itself: ${killedFor === undefined ? 'it was killed or crashed' : `the kernel says: ${killedFor}`}`;
}
