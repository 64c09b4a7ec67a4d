import { statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeProbeApp, type ProbeApp } from '../../helpers/probe-app.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop');
});

const NODE = (group: string) =>
  `[app]\ndirectory = ${app.directory}\n[sandbox.net]\nmode = none\n` +
  `[daemon.main]\ncommand = ./probe hold\nuser = daemon\n[daemon.job]\ncommand = ./probe hold\nuser = games\n${group}`;

it('makes the state directory the first daemon’s, also when another starts first, and warns', async () => {
  scratch.node('shop', NODE(''));
  const job = await app.start(['job']);
  expect(job.output.stderr).toBe(
    "metactl: warning: [daemon.job] user: games can't write the state directory of shop, which belongs to daemon " +
      '(daemon main, the first); give both the same group\n',
  );
  expect(statSync(app.state)).toMatchObject({ uid: 1, gid: 1, mode: 0o40750 });
  expect(await app.attack(['open', `${app.state}/job`, 'create'], ['job'])).toMatchObject({ result: 'EACCES' });
});

it('lets daemons of one group share it', async () => {
  scratch.node('shop', NODE('group = daemon\n'));
  const job = await app.start(['job']);
  expect(job.output.stderr).toBe('');
  expect(statSync(app.state)).toMatchObject({ uid: 1, gid: 1, mode: 0o42770 });
  expect(await app.attack(['open', `${app.state}/job`, 'create'], ['job'])).toMatchObject({ result: 'ok' });
  expect(statSync(`${app.state}/job`)).toMatchObject({ uid: 5, gid: 1 });
});
