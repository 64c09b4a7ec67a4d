import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listApps, listPresentApps } from '../../../src/config/app-names.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { put, scratchRoot } from './root.ts';

it('of an app that is gone only the state is there, and nothing to be started', () => {
  const root = scratchRoot();
  put(root, 'etc/metactl/nodes/own.conf', '');
  put(root, 'etc/metactl/site/far.conf', '');
  const apps = join(root, 'var/lib/metactl/apps');
  for (const app of ['deployed', 'dead', 'ghost', 'own']) mkdirSync(join(apps, app, 'state'), { recursive: true });
  mkdirSync(join(apps, 'deployed/current'));
  symlinkSync('releases/gone', join(apps, 'dead/current'));
  expect(listApps(pathsFor(root))).toEqual(['dead', 'deployed', 'far', 'ghost', 'own']);
  // A dead link is an error to be told.
  expect(listPresentApps(pathsFor(root))).toEqual(['dead', 'deployed', 'far', 'own']);
});
