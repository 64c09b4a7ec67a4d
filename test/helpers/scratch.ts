import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A scratch root with configuration and app directories, as an administrator would have written them. */
export interface Scratch {
  readonly root: string;
  /** Writes `/etc/metactl/nodes/<app>.conf`; @returns its path. */
  node(app: string, text: string): string;
  site(app: string, text: string): string;
  metactlConf(text: string): string;
  /** Makes an app directory outside of metactl's own (to be named by `[app] directory`) with files in it; 0755 all. */
  appDirectory(app: string, files: Readonly<Record<string, string>>): string;
  remove(): void;
}

/**
 * Makes a scratch root. Not below /tmp unless told, which is another file system inside a sandbox; the path is short
 * because unix sockets' names are.
 */
export function makeScratch(parent = '/srv'): Scratch {
  const root = mkdtempSync(join(parent, 'metactl-test-'));
  chmodSync(root, 0o755);
  const write = (path: string, text: string, mode: number): string => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
    return path;
  };
  return {
    root,
    node: (app, text) => write(join(root, 'etc/metactl/nodes', `${app}.conf`), text, 0o600),
    site: (app, text) => write(join(root, 'etc/metactl/site', `${app}.conf`), text, 0o600),
    metactlConf: (text) => write(join(root, 'etc/metactl/metactl.conf'), text, 0o644),
    appDirectory(app, files) {
      const directory = join(root, 'apps', app);
      mkdirSync(directory, { recursive: true });
      for (const [name, text] of Object.entries(files)) write(join(directory, name), text, 0o755);
      return directory;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
