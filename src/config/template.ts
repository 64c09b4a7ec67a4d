import { MetactlError } from '../util/error.ts';
import { printItems } from './print.ts';
import { scan } from './scan.ts';
import { unquote } from './values.ts';

/**
 * The text of a new node file. Lines that start with `#` and no space are settings to take as they are; taken all
 * together they are a valid configuration. Pure.
 * @param directory The app directory of an app that metactl does not deploy.
 * @throws MetactlError METACTL_BAD_PATH (2) for a directory that no configuration file can name.
 */
export function nodeFileText(app: string, directory: string | undefined): string {
  const own = directory === undefined ? '' : `\n[app]\ndirectory = ${asValue(directory)}\n`;
  const hint =
    directory === undefined
      ? `\n# Only for an app that metactl does not deploy: where its files (and its .metactl) are.\n#[app]\n#directory = /srv/${app}\n`
      : '';
  return `# ${app} on this node. What stands here wins over the site's files and over .metactl of the app.
#
#   metactl check ${app}              looks for mistakes
#   metactl config ${app} --origin    shows what comes of all layers, and where from
#   metactl config --help-keys        lists all keys
${own}${hint}
# Environment of the daemons, and values for %(NAME) in any other setting.
#[env]
#DB_URL = mysql://${app}:PASSWORD@db.example.org/${app}

# What to run: one section per daemon, and nothing without one. A command is relative to the app's directory. Its limits here are also the most that .metactl may ask for.
#[daemon.web]
#platform = exec
#command = bin/web --port=8080
#memory-max = 512m
#cpu-quota = 200%
#tasks-max = 500
#restart = on-failure

# The app's address; without it one is leased from [network] pool of metactl.conf.
#[sandbox.net]
#ip = 10.4.0.7

# What the app sees of the host beside the standard file system.
#[sandbox.mounts]
#/srv/shared = ro
#/var/cache/${app} = tmpfs:64m
`;
}

/** A path as a value: quoted where it has to be, `%` doubled. */
function asValue(path: string): string {
  const doubled = path.replaceAll('%', '%%');
  for (const raw of [doubled, `'${doubled}'`, `"${doubled.replace(/["\\]/g, '\\$&')}"`]) {
    const item = {
      kind: 'entry',
      section: 'app',
      key: 'directory',
      raw,
      line: 2,
      keyColumn: 1,
      valueColumn: 1,
    } as const;
    const header = { kind: 'header', section: 'app', line: 1, column: 2 } as const;
    const read = scan(printItems([header, item]), '').items[1];
    if (read?.kind === 'entry' && read.raw === raw && unquote(raw) === doubled) return raw;
  }
  throw new MetactlError(`a configuration file can't name ${JSON.stringify(path)}`, {
    code: 'METACTL_BAD_PATH',
    path,
    hint: 'use a path without control characters',
    exitStatus: 2,
  });
}
