import { expect, it } from 'vitest';
import { silentHint } from '../../../../src/supervisor/control/answer.ts';
import { endedText, lostText } from '../../../../src/supervisor/standalone/lost-text.ts';

const since = Date.parse('2026-11-26T19:12:54.113Z');
const lost = { pid: 7, since, daemons: [], killedFor: undefined };
const who = 'the supervisor before this one (pid 7, since 2026-11-26T19:12:54.113Z)';

it('a supervisor that went without a word is told', () => {
  expect(lostText(lost)).toBe(`${who} did not end by itself: it was killed or crashed; no daemon of it is on record`);
  const daemons = ['web', 'db'].map((daemon) => ({ app: 'shop', daemon }));
  expect(lostText({ ...lost, daemons, killedFor: 'Out of memory: Killed process 7 (node)' })).toBe(
    `${who} did not end by itself: the kernel says: Out of memory: Killed process 7 (node); 2 daemons ended with it: shop/web, shop/db`,
  );
  expect(endedText(lost)).toBe(`ended with its supervisor: ${who} did not end by itself: it was killed or crashed`);
});

it('one that does not answer is told so that it helps', () => {
  expect(silentHint({ pid: 7, isStopped: true })).toBe(
    'it (pid 7) is stopped by a signal or a debugger: `kill -CONT 7` lets it go on',
  );
  expect(silentHint({ pid: 7, isStopped: false })).toBe(
    'it is pid 7: `top -H -p 7` and `cat /proc/7/stack` show what it does; `kill -9 7` ends it with all that it runs, then `metactl start` starts another',
  );
  expect(silentHint(undefined)).toBe(
    'the machine may be too busy; /var/log/metactl/supervisor.log tells what it did last',
  );
});
