/**
 * All texts of configuration problems: what was found, what was expected, the nearest known name. What files say is
 * written by developers, so everything found is escaped for root's terminal.
 */
import { formatDuration } from '../util/duration.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { escapeText, quoted } from '../util/escape.ts';
import { nearest } from '../util/suggest.ts';
import type { ChainLink, Instead, Origin, Problem } from './types.ts';

export interface Text {
  readonly message: string;
  readonly hint?: string;
}

/** Paths are cut later than other values: their end matters most. */
const LONGEST_PATH = 240;

/** `file:line:column: message; hint`. Line 0: about the file as a whole; no file: about none. */
export function formatProblem({ file, line, column, message, hint }: Problem): string {
  const place = line > 0 ? `${file}:${line}:${column}: ` : file === '' ? '' : `${file}: `;
  return `${place}${message}${hint === undefined ? '' : `; ${hint}`}`;
}

/** The one error that stands for all problems of a configuration. */
export function configurationError(problems: readonly Problem[]): MetactlError {
  return new MetactlError(problems.map(formatProblem), {
    code: 'METACTL_CONFIGURATION',
    details: { problems },
    exitStatus: EXIT.configuration,
  });
}

/** `; did you mean …?` where something is near. */
function didYouMean(name: string, candidates: Iterable<string>): { hint?: string } {
  const near = nearest(name, candidates);
  return near === undefined ? {} : { hint: `did you mean \`${near}\`?` };
}

const hexadecimal = (c: string) => `U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

// The scanner's.
export const byteOrderMark = (): Text => ({
  message: 'found a byte order mark, expected plain UTF-8',
  hint: 'save the file without it',
});
export const notUtf8 = (): Text => ({ message: 'found bytes that are not UTF-8, expected UTF-8 text' });
export const tooManyProblems = (most: number): Text => ({
  message: `found more than ${most} problems; the rest of the file was not read`,
});
export const controlCharacter = (c: string): Text => ({
  message: `found the control character ${hexadecimal(c)}, expected printable text`,
});
export const unclosedHeader = (header: string): Text => ({
  message: `found ${quoted(header)}, expected a ] that closes the section header`,
});
export const textAfterHeader = (text: string): Text => ({
  message: `found ${quoted(text)} after a section header, expected the end of the line or a comment`,
});
export const badSectionName = (name: string): Text => ({
  message: `found the section name ${quoted(name)}, expected one without spaces at its ends, quotes, brackets, \\, =, ; and #`,
});
export const prototypeName = (name: string): Text => ({
  message: `found the name ${quoted(name)}, which is reserved, expected any other name`,
});
/** Only the first word is shown: a line without `=` may well be a misspelt password. */
export const notAnEntry = (line: string): Text => ({
  message: `found ${quoted(`${/^[^\s:]+/.exec(line)?.[0] ?? ''}`, 30)} without a =, expected a section header or key = value`,
});
export const missingKey = (): Text => ({ message: 'found nothing before the =, expected a key' });
export const badKey = (key: string): Text => ({
  message: `found the key ${quoted(key)}, expected one without brackets, quotes, \\ and comments`,
});
export const keyBeforeSection = (key: string): Text => ({
  message: `found the key ${quoted(key)} before the first section, expected a section header such as [env]`,
});
export const duplicateKey = (key: string, line: number): Text => ({
  message: `found the key ${quoted(key)} again, expected it once: line ${line} has it already`,
});
export const keyAndSection = (section: string, key: string, line: number | string): Text => ({
  message: `found the key ${quoted(key)} in [${section}] beside the section ${quoted(`[${section}.${key}]`)} (${
    typeof line === 'number' ? `line ${line}` : line
  }), expected only one of the two`,
});

// The schema's.
export const unknownSection = (section: string, known: readonly string[]): Text => ({
  message: `found the section ${quoted(`[${section}]`)}, expected a section of an app's configuration`,
  ...sectionHint(section, known),
});
/** `[deamon.web]` is near `[daemon.web]`: of sections that take a name only the first part is compared. */
function sectionHint(section: string, known: readonly string[]): { hint?: string } {
  const patterns = known.filter((name) => name.endsWith('.*')).map((name) => name.slice(0, -2));
  const dot = section.indexOf('.');
  const near = nearest(
    section,
    known.filter((name) => !name.endsWith('.*')),
  );
  if (near !== undefined) return { hint: `did you mean \`[${near}]\`?` };
  const prefix = nearest(dot < 0 ? section : section.slice(0, dot), patterns);
  if (prefix === undefined) return {};
  const name = dot < 0 || dot === section.length - 1 ? 'NAME' : escapeText(section.slice(dot + 1, dot + 32));
  return { hint: `did you mean \`[${prefix}.${name}]\`?` };
}
export const unknownNodeSection = (section: string, known: readonly string[]): Text => ({
  message: `found the section ${quoted(`[${section}]`)}, expected one of ${known.map((name) => `[${name}]`).join(' ')}`,
  ...sectionHint(section, known),
});
export const nodeSection = (section: string, metactlConf: string): Text => ({
  message: `found the section ${quoted(`[${section}]`)}, expected it in ${metactlConf}`,
});
export const unknownKey = (section: string, key: string, known: readonly string[]): Text => ({
  message: `found the key ${quoted(key)}, expected a key of [${section}]`,
  ...didYouMean(key, known),
});
export const otherPlatformsKey = (key: string, owners: readonly string[], platform: string): Text => ({
  message: `found the key ${quoted(key)}, expected a key of the platform \`${platform}\``,
  hint: `${quoted(key)} belongs to ${owners.map((name) => `\`${name}\``).join(', ')}`,
});
export const badFreeKey = (section: string, key: string, expected: string): Text => ({
  message: `found the key ${quoted(key)} in [${section}], expected ${expected}`,
});
export const setInstead = (section: string, key: string, instead: Instead): Text => ({
  message: `found the directive ${quoted(key)} in [${section}], expected ${instead.key}`,
  hint: instead.why,
});
export const tooMany = (what: string, most: number): Text => ({
  message: `found more than ${most} ${what}, expected a smaller file`,
});
export const aliasTwice = (written: string, other: string): Text => ({
  message: `found both ${quoted(written)} and ${quoted(other)}, expected only one: they are the same key`,
});
export const unknownPlatform = (name: string, known: readonly string[]): Text => ({
  message: `found the platform ${quoted(name)}, expected one of ${known.join(', ')}`,
  ...didYouMean(name, known),
});
export const unknownDaemon = (name: string, known: readonly string[]): Text => ({
  message: `found the daemon name ${quoted(name)}, expected ${
    known.length === 0 ? 'a daemon of this app; it has none' : `one of ${known.join(', ')}`
  }`,
  ...didYouMean(name, known),
});
export const unknownJob = (name: string, known: readonly string[]): Text => ({
  message: `found options for the job ${quoted(name)}, expected a label of [crontab]`,
  ...didYouMean(name, known),
});
export const badValue = (shown: string, expected: string, values: readonly string[] | undefined): Text => ({
  message: `found ${quoted(shown)}, expected ${expected}`,
  ...(values === undefined ? {} : didYouMean(shown, values)),
});
export const builtinShadowed = (name: string): Text => ({
  message: `found the variable ${quoted(name)}, which has the name of a built-in: %(${name}) is the built-in`,
  hint: `write %(env:${name}) for the variable`,
});

// Trust.
const moveTo = (file: string) => `move it to ${file}`;
export const layerForbidden = (what: string, where: string, file: string): Text => ({
  message: `found ${what} in ${where === '.metactl' ? where : `the ${where} file`}, expected it in the node file`,
  hint: moveTo(file),
});
export const valueForbidden = (what: string, value: string, layer: string, file: string): Text => ({
  message: `found ${what} = ${value} in the ${layer} file, expected it in the node file`,
  hint: moveTo(file),
});
export const trustForbidden = (what: string, file: string): Text => ({
  message: `found ${what} in .metactl, expected it in the node file: an application may not set it`,
  hint: `${moveTo(file)}, or set [trust] application = full there`,
});
export const tooManyAdded = (most: number, by: string, file: string): Text => ({
  message: `found more than ${most} daemons that only .metactl has, expected at most that many (${by})`,
  hint: `name them in ${file}, where their limits belong too, or raise [trust] daemons-max there`,
});
export const tooManyMounts = (most: number, file: string): Text => ({
  message: `found more than ${most} mounts of .metactl, expected at most that many`,
  hint: `lay one over the directory that holds them, set them in ${file}, or set [trust] application = full there`,
});
export const trustThroughInterpolation = (key: string, name: string, origin: Origin, file: string): Text => ({
  message: `found %(${name}) from ${origin.file}:${origin.line} in ${quoted(key)}, expected a value that no application can set`,
  hint: `set it in ${file}, or set [trust] application = full there`,
});
export const moreThanAllowed = (key: string, found: string, bound: string, atMost: boolean, by: string): Text => ({
  message: `found ${quoted(key, LONGEST_PATH)} = ${quoted(found)} from .metactl, expected at ${atMost ? 'most' : 'least'} ${bound} (${by}): an application may only ask for less`,
});
export const trustHint = (file: string): string => `set it in ${file}, or set [trust] application = full there`;
export const mountOutside = (path: string, file: string): Text => ({
  message: `found the mount ${quoted(path, LONGEST_PATH)} in .metactl, expected a path in the app's own release or state directory`,
  hint: `${moveTo(file)}, or set [trust] application = full there`,
});
export const mountShows = (path: string, value: string, file: string): Text => ({
  message: `found the mount ${quoted(path, LONGEST_PATH)} = ${quoted(value)} in .metactl, expected hide or tmpfs: an application may only take away`,
  hint: `${moveTo(file)}, or set [trust] application = full there`,
});
export const secretRead = (name: string, file: string): Text => ({
  message: `found %(${name}) in .metactl, expected a name whose value an application may read`,
  hint: `set the value in ${file}`,
});

// Interpolation.
export const unclosedReference = (text: string): Text => ({
  message: `found ${quoted(text, 30)}, expected a ) that closes it`,
  hint: 'write %% for a plain %',
});
export const unknownName = (name: string, known: readonly string[], chain: string): Text => ({
  message: `found %(${quoted(name).slice(1, -1)}), expected a key of [env], a built-in or section:key${chain}`,
  ...didYouMean(name, known),
});
/** `: [daemon.web] command (file:5) → [env] A (file:3) → %(B)` */
export const chainText = (parts: readonly string[]): string => `: ${parts.map(escapeText).join(' → ')}`;
export const cycle = (chain: string): Text => ({ message: `found a value that contains itself${chain}` });
/** @param names the first is also the last. */
export const longStop = (found: number, most: number, file: string): Text => ({
  message: `found daemons that take up to ${formatDuration(found)} to stop one after the other, expected at most ${formatDuration(most)}: an application may only ask for less`,
  hint: `shorten timeout-stop-sec or the chain of depends-on, or set them in ${file}`,
});
export const dependencyCycle = (names: readonly string[]): Text => ({
  message: `found daemons that wait for each other: ${names.map(escapeText).join(' → ')}`,
  hint: 'remove one of their depends-on keys',
});
export const tooDeep = (depth: number, chain: string): Text => ({
  message: `found values nested in each other more than ${depth} times${chain}`,
});
/** @param user what refers to it. */
export const makesTooLong = (longest: number, user: string): Text => ({
  message: `found a value that makes ${user} longer than ${longest} characters, expected a shorter one`,
});

/** @param via the reference that makes it so, of `viaChain`. */
export const tooLong = (longest: number, via = ''): Text => ({
  message: `found a value that becomes longer than ${longest} characters${via}, expected a shorter one`,
});
export const noAddress = (name: string, why: string): Text => ({
  message: `found %(${name}), but this app has no address of its own: ${why}`,
});
export const noDaemonHere = (section: string): Text => ({
  message: `found %(daemon) in [${section}], which belongs to no daemon`,
});
export const badFileReference = (path: string, why: string): Text => ({
  message: `found %(file:${quoted(path).slice(1, -1)}), but ${why}`,
});

/** ` (%(A) from file:3)` for a value that came by interpolation. */
export function viaChain(chain: readonly ChainLink[]): string {
  const links = chain.filter((link) => link.origin !== undefined).slice(0, 4);
  if (links.length === 0) return '';
  const parts = links.map(
    (link) => `%(${quoted(link.name).slice(1, -1)}) from ${link.origin!.file}:${link.origin!.line}`,
  );
  return ` (${parts.join(', ')})`;
}

export const secretOnCommandLine = (key: string, name: string): Text => ({
  message: `found the secret %(${name}) in ${quoted(key)}: every user of this server can read command lines`,
  hint: 'let the program read it from its environment',
});
export const unbuilt = (section: string, key: string, shown: string): Text => ({
  message: `\`[${escapeText(section)}] ${escapeText(key)}\` = ${quoted(shown)} is not in this version of metactl`,
});

// Files and directories.
export const relativePath = (path: string): Text => ({
  message: `found ${quoted(path, LONGEST_PATH)}, expected an absolute path`,
});
export const deployedAndDirectory = (current: string): Text => ({
  message: `found [app] directory for an app that metactl deploys (${current}), expected only one of the two`,
  hint: 'remove the key, or purge the deployed app',
});
export const deadLink = (): Text => ({
  message: 'found a link to nothing, expected one to the directory of a release',
  hint: 'deploy the app again',
});
export const noSuchDirectory = (path: string): Text => ({
  message: `found ${quoted(path, LONGEST_PATH)}, expected a directory that exists`,
});
