import { readdirSync } from 'node:fs';

/** Where the managers that metactl drives read their files: the `directory` of each. */
export const UNIT_DIRECTORIES: readonly string[] = ['/etc/systemd/system', '/etc/init', '/var/svc/manifest/site'];

/**
 * Whether an app may have units, by the names of files alone: most nodes have none, and to find out which manager runs here and
 * what it has takes longer than all else that `metactl status` does.
 * @param nodeId `Paths.nodeId`. @returns true also where that can't be seen.
 */
export function guessUnits(nodeId: string, directories = UNIT_DIRECTORIES): (app: string) => boolean {
  const prefix = nodeId === '' ? 'metactl.' : `metactl-${nodeId}.`;
  const apps = new Set<string>();
  for (const directory of directories) {
    try {
      for (const name of readdirSync(directory)) {
        const end = name.startsWith(prefix) ? name.indexOf('.', prefix.length) : -1;
        if (end > 0) apps.add(name.slice(prefix.length, end));
      }
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!['ENOENT', 'ENOTDIR'].includes(code)) return () => true;
    }
  }
  return (app) => apps.has(app);
}
