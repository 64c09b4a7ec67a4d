import type { Platform } from '../platform/platform.ts';
import { APP_SECTIONS, NODE_SECTIONS } from './schema/index.ts';
import { layersOf } from './trust.ts';
import type { KeySpec, SectionSpec } from './types.ts';
import { describeType } from './values.ts';

/** What is told of one key, by the documentation and by `config --help-keys`. */
interface Row {
  readonly key: string;
  readonly type: string;
  readonly default: string;
  readonly set: string;
  readonly doc: string;
}

/** docs/configuration.md. Pure. */
export function configurationDocs(platforms: readonly Platform[]): string {
  return `${[INTRODUCTION, ...appSections(), ...platformSections(platforms), METACTL_CONF, ...nodeSections()].join('\n\n')}\n`;
}

/** The same for a terminal, one line a key. Pure. */
export function helpKeys(platforms: readonly Platform[]): string {
  const groups: (readonly [string, readonly Row[]])[] = [
    ...APP_SECTIONS.map((section) => [heading(section), rows(section)] as const),
    ...platforms
      .filter(({ keys }) => keys.length > 0)
      .map((platform) => [`[daemon.NAME] platform = ${platform.name}`, platformRows(platform)] as const),
    ...NODE_SECTIONS.map((section) => [`metactl.conf ${heading(section)}`, rows(section)] as const),
  ];
  return groups.map(([title, list]) => `${title}\n${list.map(helpLine).join('')}`).join('\n');
}

function helpLine(row: Row): string {
  const fallback = row.default === '' ? '' : ` (default ${row.default})`;
  const who = row.set === EVERYBODY ? '' : ` [${row.set}]`;
  return `  ${row.key.padEnd(28)} ${row.type}${fallback}${who}\n      ${row.doc.replaceAll('`', '')}\n`;
}

const EVERYBODY = 'application, site, node';

const INTRODUCTION = `# Configuration

This page is made from the schema by \`npm run docs\`; do not edit it. \`metactl config APP --help-keys\` prints the same.

An app's configuration is merged per key from four layers; later ones win, and an empty value unsets a key:

| layer | file | written by |
|---|---|---|
| platform defaults | built in | metactl |
| application | \`.metactl\` in the app directory | developers |
| site | \`/etc/metactl/site/_defaults.conf\`, then \`site/APP.conf\` | administrators |
| node | \`/etc/metactl/nodes/APP.conf\` | administrators |

\`metactl config APP --origin\` shows each value with its file and line, \`metactl check APP\` every problem at once.

**Syntax.** \`[section]\` and \`key = value\` lines. \`;\` and \`#\` start a comment at the start of a line, or after white
space outside quotes. Quotes around a whole value are taken off. Unknown sections and keys, and keys that are there
twice, are errors.

**Interpolation.** \`%(NAME)\` in any value is replaced after merging by a key of \`[env]\` (for a daemon: of
\`[env.DAEMON]\`, then \`[env]\`), by a built-in (\`app daemon node site ip release app_dir state_dir log_dir\`), by
another key (\`%(section:key)\`), or by a file of root (\`%(file:/path)\`; not in \`.metactl\`). \`%%\` is a \`%\`; a \`%\`
before anything else is itself. Commands and lists are split into words after that.

**Secrets.** Values of keys whose names hold \`password\`, \`secret\`, \`token\` or \`key\`, files (\`%(file:)\`) and passwords in URLs are
shown as \`***\`, also where \`%(NAME)\` carries them into another value, in all that metactl prints and logs about the app:
settings, plans, errors, warnings and events (\`config\` and \`plan\` show them with \`--reveal\`). In texts other than the value
itself, a secret of fewer than four characters is not found: it would hide half of every text. What the app itself writes is not touched.

**Types.** *duration*: \`500ms\`, \`5s\`, \`2min\`, \`1h\`, \`1d\`; a bare number is seconds. *size*: bytes, or \`256m\`,
\`2g\`, base 1024. *flag*: \`yes\`, \`no\`, \`true\`, \`false\`, \`on\`, \`off\`. *command* and *list*: words by the quoting
rules of systemd, never given to a shell.

**Trust.** \`.metactl\` is written by developers. It may set a key unless the table names only site and node, and limits,
\`nice\` and weights (marked *only less*) at most as favourable as the default or as what site or node set. \`[trust]
application = full\` in the node file lifts that. A value keeps its layer's trust through interpolation.

**Not yet.** Keys marked *not in this version* are read and checked. Where one would restrict or protect, \`run\` refuses
to start; the others are only noted by \`metactl check\`.`;

const METACTL_CONF = `## metactl.conf

\`/etc/metactl/metactl.conf\` is the node's own file.`;

function appSections(): string[] {
  return APP_SECTIONS.map((section) => `## ${heading(section)}\n\n${section.doc}\n\n${table(rows(section))}`);
}

function nodeSections(): string[] {
  return NODE_SECTIONS.map((section) => `### ${heading(section)}\n\n${section.doc}\n\n${table(rows(section))}`);
}

function platformSections(platforms: readonly Platform[]): string[] {
  const told = new Map<string, string>();
  const parts = platforms.map((platform) => {
    const text = platform.keys.length === 0 ? 'No further keys.' : table(platformRows(platform));
    const same = told.get(text);
    told.set(text, same ?? platform.name);
    const keys = same === undefined || platform.keys.length === 0 ? text : `The same keys as \`${same}\`.`;
    return `### ${platform.name}\n\n${platform.doc}\n\n${keys}`;
  });
  return ['## Platforms', ...parts];
}

function heading(section: SectionSpec): string {
  return `[${section.name.replace('.*', '.NAME')}]`;
}

function rows(section: SectionSpec): Row[] {
  return section.keys.map((key) => row(key, layersOf(section.name, key).join(', ')));
}

function platformRows(platform: Platform): Row[] {
  const defaults = platform.defaults({ app: 'APP', daemon: 'DAEMON', ownNetwork: true });
  return platform.keys.map((key) => row(withDefault(key, defaults[key.key]), layersOf('daemon.*', key).join(', ')));
}

function withDefault(key: KeySpec, value: string | undefined): KeySpec {
  return value === undefined ? key : { ...key, default: value };
}

function row(key: KeySpec, set: string): Row {
  const notes = [
    key.aliases === undefined ? '' : `Also \`${key.aliases.join('`, `')}\`.`,
    key.onlyLess === undefined
      ? ''
      : `*Only less* from \`.metactl\`${key.bound === undefined ? '' : ` than \`${key.bound}\``}.`,
    key.unbuilt === undefined ? '' : unbuiltNote(key),
  ];
  return {
    key: key.key.replace(/\.\*$/, '.NAME').replace(/^\*$/, '(any)'),
    type: describeType(key),
    default: key.default ?? '',
    set,
    doc: [key.doc, ...notes].filter((note) => note !== '').join(' '),
  };
}

function unbuiltNote(key: KeySpec): string {
  const built = key.builtValues?.filter((value) => !['false', 'off', '0'].includes(value) || value === key.default);
  const but = built === undefined || built.length === 0 ? '' : ` but for \`${built.join('`, `')}\``;
  return `*Not in this version*${but}${key.unbuilt === 'protects' ? '; `run` refuses it' : ''}.`;
}

function table(list: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const code = (text: string) => (text === '' ? '' : `\`${text}\``);
  const body = list.map((row) => line([code(row.key), row.type, code(row.default), who(row.set), row.doc]));
  return [line(['key', 'type', 'default', 'set by', '']), '|---|---|---|---|---|', ...body].join('\n');
}

function who(set: string): string {
  return set === EVERYBODY ? 'all' : set;
}
