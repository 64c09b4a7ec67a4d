import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { type Inspection, inspectApp, inspectDaemons } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/messages.ts';
import { inspectNode } from '../../../src/config/node-config.ts';
import type { KeySpec } from '../../../src/config/types.ts';
import type { Platform } from '../../../src/platform/platform.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { pathsFor } from '../../../src/util/paths.ts';

/** The files of one app in a scratch root. `application` is its `.metactl`, deployed as release `r1`. */
export interface Files {
  readonly application?: string;
  readonly defaults?: string;
  readonly site?: string;
  readonly node?: string;
  readonly metactl?: string;
}

const roots: string[] = [];

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

export function scratchRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'metactl-config-'));
  roots.push(root);
  for (const directory of ['etc/metactl/nodes', 'etc/metactl/site']) {
    mkdirSync(join(root, directory), { recursive: true });
    chmodSync(join(root, directory), 0o700);
  }
  return root;
}

export function put(root: string, name: string, text: string | Uint8Array, mode = 0o600): string {
  const file = join(root, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

/** Writes an app's files and deploys it. */
export function appRoot(files: Files, app = 'myapp'): string {
  const root = scratchRoot();
  const home = join(root, 'var/lib/metactl/apps', app);
  mkdirSync(join(home, 'releases/r1'), { recursive: true });
  symlinkSync('releases/r1', join(home, 'current'));
  if (files.application !== undefined) put(home, 'releases/r1/.metactl', files.application, 0o644);
  if (files.defaults !== undefined) put(root, 'etc/metactl/site/_defaults.conf', files.defaults);
  if (files.site !== undefined) put(root, `etc/metactl/site/${app}.conf`, files.site);
  if (files.node !== undefined) put(root, `etc/metactl/nodes/${app}.conf`, files.node);
  if (files.metactl !== undefined) put(root, 'etc/metactl/metactl.conf', files.metactl);
  return root;
}

const text = (key: string, more: Partial<KeySpec> = {}): KeySpec => ({ key, type: 'text', doc: '', ...more });

function platform(name: string, keys: readonly KeySpec[], defaults: Platform['defaults'] = () => ({})): Platform {
  return { name, doc: '', keys, defaults, command: () => ({ argv: ['true'], env: {}, needs: [] }) };
}

const jvmKeys: readonly KeySpec[] = [
  text('jvm.jar', { type: 'command' }),
  text('jvm.heap.max', { type: 'size', aliases: ['java.heap.max'] }),
  text('jvm.properties.*'),
];

/** Small stand-ins: the loader takes its platforms as a parameter. */
export const fakePlatforms: readonly Platform[] = [
  platform('exec', []),
  platform('node', [text('node.script')]),
  platform('jvm', jvmKeys),
  platform(
    'jetty6',
    [...jvmKeys, text('http.port', { type: 'integer', min: 1, max: 65535 }), text('jetty.log')],
    (c) => ({
      'http.port': c.ownNetwork ? '80' : '8080',
      'jetty.log': '%(log_dir)/%(daemon).log',
    }),
  ),
];

/** Inspects an app of the given files; `lines` are its problems, with the scratch root cut from their paths. */
export function inspect(files: Files, app = 'myapp'): Inspected {
  return inspectRoot(appRoot(files, app), app);
}

type Inspected = Inspection & { readonly root: string; readonly lines: string[] };

export function inspectRoot(root: string, app = 'myapp'): Inspected {
  const paths = pathsFor(root);
  const inspection = inspectApp(paths, app, fakePlatforms);
  // Whatever a test has written: the short way to the names finds the same.
  expect(inspectDaemons(paths, app, inspectNode(paths).node)).toEqual(inspection.config.daemons);
  const lines = inspection.problems.map((problem) => shorten(formatProblem(problem), root));
  return { ...inspection, root, lines };
}

/** Paths without the scratch root, `.metactl` without the release's. */
export function shorten(line: string, root: string): string {
  return line.replaceAll(`${root}/var/lib/metactl/apps/myapp/releases/r1/.metactl`, '.metactl').replaceAll(root, '');
}

/** The MetactlError that an action ends with. */
export function thrown(action: () => unknown): MetactlError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(MetactlError);
    return error as MetactlError;
  }
  throw new Error('nothing was thrown');
}
