import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** One web application and the path at which it is served. */
export interface WebContext {
  readonly contextPath: string;
  /** Absolute: a WAR file or a directory with WEB-INF. */
  readonly path: string;
}

export type ListDirectory = (directory: string) => readonly string[] | undefined;

/** Names in a directory, sorted; undefined where it is none or can't be read. Names only: nothing in it is opened. */
export const listDirectory: ListDirectory = (directory) => {
  try {
    return readdirSync(directory).sort();
  } catch {
    return undefined;
  }
};

/** True for `x.war` in any case. */
export function isWar(name: string): boolean {
  return /\.war$/i.test(name);
}

/**
 * The web applications of an app directory, for a daemon that names none: the directory itself if it is an exploded
 * web application; else the WAR files and exploded directories in it, the only one at `/`, several by their names
 * (ROOT at `/`), as jvmctl did; else the same in `webapps`, where Jetty always goes by the name.
 * Empty where there is none. Pure but for `list`.
 */
export function findWebContexts(directory: string, list: ListDirectory): readonly WebContext[] {
  const names = list(directory);
  if (names === undefined) return [];
  if (names.includes('WEB-INF')) return [{ contextPath: '/', path: directory }];
  const here = webappsIn(directory, names, list);
  if (here.length === 1) return [{ contextPath: '/', path: here[0]!.path }];
  if (here.length > 1) return here;
  const webapps = join(directory, 'webapps');
  return names.includes('webapps') ? webappsIn(webapps, list(webapps) ?? [], list) : [];
}

function webappsIn(directory: string, names: readonly string[], list: ListDirectory): readonly WebContext[] {
  const byContext = new Map<string, WebContext>();
  const add = (name: string, file: string) => {
    const contextPath = name.toLowerCase() === 'root' ? '/' : `/${name}`;
    if (!byContext.has(contextPath)) byContext.set(contextPath, { contextPath, path: join(directory, file) });
  };
  // A WAR beats the directory of its name, which is most often its own unpacked copy.
  const visible = names.filter((name) => !name.startsWith('.'));
  for (const name of visible) if (isWar(name)) add(name.slice(0, -'.war'.length), name);
  for (const name of visible) {
    if (isWar(name)) continue;
    if (list(join(directory, name))?.includes('WEB-INF')) add(name, name);
  }
  return [...byContext.values()];
}
