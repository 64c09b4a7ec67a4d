import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { loadApp } from '../../../src/config/load.ts';
import { platforms } from '../../../src/platform/index.ts';
import type { Step } from '../../../src/service/manager.ts';
import { type ServiceModel, serviceModel } from '../../../src/service/model.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { put, scratchRoot } from '../config/root.ts';

/** Models of apps as they are configured, and scratch directories for what is made of them. */

export const PROGRAM = ['/usr/local/bin/metactl'];

/** The app `shop` of a node file, as a node with the root `/` would have it; its paths are those of a scratch root. */
export function modelOf(node: string, { app = 'shop', site = '' } = {}): ServiceModel {
  const root = scratchRoot();
  put(root, `etc/metactl/nodes/${app}.conf`, node);
  if (site !== '') put(root, `etc/metactl/site/${app}.conf`, site);
  const config = loadApp(pathsFor(root), app, platforms);
  return serviceModel(config, pathsFor('/'), PROGRAM);
}

/** Two daemons, one of which needs the other. */
export const SHOP = `[daemon.db]
command = /bin/db
timeout-stop-sec = 2min
ready = notify

[daemon.web]
command = /bin/web
depends-on.db = ready
ready = tcp:80
ready.timeout = 1500ms
watchdog-sec = 10s
`;

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'metactl-service-'));
  directories.push(directory);
  return directory;
}

/** Text without the lines about its checksum, which every change changes. */
export function unsealed(text: string): string {
  return text.replace(/^.*metactl-checksum: .*\n/m, '');
}

/** Steps as a person would read them. */
export function lines(steps: readonly Step[]): string[] {
  return steps.map((step) => {
    if ('argv' in step) return `${step.argv.join(' ')}${step.accept === undefined ? '' : ` (${step.accept} too)`}`;
    return `${step.told} ${step.file}`;
  });
}
