import { isSecretName, MASK, maskText } from '../util/mask.ts';
import { secretsIn } from '../util/secrets.ts';
import type { MergedKey } from './merge.ts';
import * as messages from './messages.ts';
import type { ProblemList } from './problem-list.ts';
import type { ChainLink, Layer, Origin } from './types.ts';
import { unquote } from './values.ts';

/** A value after interpolation. */
export interface Resolved {
  readonly text: string;
  readonly masked: string;
  readonly chain: readonly ChainLink[];
  readonly trust: Layer;
}

/** What names can stand for. */
export interface Names {
  /** A key of the merged configuration. */
  find(section: string, key: string): MergedKey | undefined;
  /** A key's default, where nobody sets it. */
  defaultOf(section: string, key: string): string | undefined;
  /** Built-ins by name; undefined: known to be a built-in, but bound later (`ip`). */
  readonly builtins: ReadonlyMap<string, string | undefined>;
  /** Whether `[env.DAEMON]` of any daemon has a variable. */
  inSomeDaemon(name: string): boolean;
  /** Names for suggestions. */
  known(): readonly string[];
  /** Whether quotes in the key's value are its own matter (commands, lists). */
  keepsQuotes(section: string, key: string): boolean;
  /** Why `%(file:)` or another name may not be used in this value; undefined: it may. */
  forbidden(user: MergedKey, name: string): messages.Text | undefined;
  readFile(path: string): { readonly text: string } | { readonly why: string };
}

/** Longest value: execve(2) takes environment strings and arguments up to 128 KiB (MAX_ARG_STRLEN), NUL included. */
const LONGEST_VALUE = 128 * 1024 - 1;
/** All values together; past it something multiplies itself. */
const LONGEST_TOTAL = 16 * 1024 * 1024;
const DEEPEST = 32;
const MOST_LINKS = 64;

/** Lower is less trusted. Built-in values are metactl's own. */
const TRUST: Readonly<Record<Layer, number>> = { application: 0, site: 1, node: 2, platform: 3 };

interface Expansion extends Resolved {
  readonly depth: number;
  /** How many of its characters are in the files of which layer. */
  readonly written: ReadonlyMap<Layer, number>;
}

const NOT_WRITTEN: ReadonlyMap<Layer, number> = new Map();

interface Reference {
  readonly name: string;
  readonly expansion: Expansion;
  readonly link: ChainLink;
}

/** Replaces `%(NAME)` in merged values, late: what a higher layer puts into `[env]` changes every use (DESIGN §3). */
export class Interpolator {
  readonly #names: Names;
  readonly #problems: ProblemList;
  readonly #done = new Map<string, Expansion | undefined>();
  readonly #stack: { readonly id: string; readonly item: MergedKey }[] = [];
  readonly #told = new Set<string>();
  readonly #secrets: Set<string>;
  #total = 0;

  /** @param secrets gets the secret texts that values turn out to have. */
  constructor(names: Names, problems: ProblemList, secrets = new Set<string>()) {
    this.#secrets = secrets;
    this.#names = names;
    this.#problems = problems;
  }

  /**
   * The value of a key, for a daemon where `scope` names one: its `[env.DAEMON]` wins over `[env]`.
   * @returns undefined where it could not be made; a problem has then been told, once.
   */
  resolve(item: MergedKey, scope: string | undefined): Resolved | undefined {
    return this.#resolve(item, scope);
  }

  #resolve(item: MergedKey, scope: string | undefined): Expansion | undefined {
    const { file, line } = item.winner.origin;
    const id = [scope ?? '', item.section, item.key, file, line].join('\0');
    if (this.#done.has(id)) return this.#done.get(id);
    if (this.#stack.some((entry) => entry.id === id)) {
      const from = this.#stack.findIndex((entry) => entry.id === id);
      const chain = this.#chain(
        this.#stack.slice(from).map((entry) => entry.item),
        place(item),
      );
      return this.#fail(item.winner.origin, messages.cycle(chain), 'cycle');
    }
    this.#stack.push({ id, item });
    const expansion = this.#expand(item, scope);
    this.#stack.pop();
    this.#done.set(id, expansion);
    return expansion;
  }

  #expand(item: MergedKey, scope: string | undefined): Expansion | undefined {
    const { raw, layer, origin } = item.winner;
    const parts = tokens(this.#names.keepsQuotes(item.section, item.key) ? raw : unquote(raw));
    if (!Array.isArray(parts)) return this.#fail(origin, messages.unclosedReference(parts.rest));
    let text = '';
    let masked = '';
    let trust = layer;
    let depth = 0;
    const links = new Map<string, ChainLink>();
    const written = new Map<Layer, number>();
    for (const part of parts) {
      if (typeof part === 'string') {
        written.set(layer, (written.get(layer) ?? 0) + part.length);
        text += part;
        masked += part;
        continue;
      }
      const reference = this.#reference(item, part.name, scope);
      if (reference === undefined) return undefined;
      const { expansion, link } = reference;
      text += expansion.text;
      masked += expansion.masked;
      for (const [from, length] of expansion.written) written.set(from, (written.get(from) ?? 0) + length);
      for (const next of [link, ...expansion.chain]) if (links.size < MOST_LINKS) links.set(linkId(next), next);
      if (text.length > LONGEST_VALUE) return this.#tooLong(item, written, link, [...links.values()]);
      if (TRUST[expansion.trust] < TRUST[trust]) trust = expansion.trust;
      depth = Math.max(depth, expansion.depth + 1);
    }
    if (depth > DEEPEST) return this.#fail(origin, messages.tooDeep(DEEPEST, ''));
    this.#total += parts.length > 1 || typeof parts[0] !== 'string' ? text.length : 0;
    if (this.#total > LONGEST_TOTAL) return this.#fail(origin, messages.tooLong(LONGEST_VALUE));
    const shown = maskOf(item.key, text, masked);
    this.#remember(text, shown);
    return { text, masked: shown, chain: [...links.values()], trust, depth, written };
  }

  /**
   * The fault is of who wrote the value, or, where only that makes it too long, of a lower layer that a reference leads to: there the
   * problem is placed. @param written how much of it is from which layer.
   */
  #tooLong(
    item: MergedKey,
    written: ReadonlyMap<Layer, number>,
    last: ChainLink,
    links: readonly ChainLink[],
  ): undefined {
    const { origin, layer } = item.winner;
    const isLower = (other: Layer) => TRUST[other] < TRUST[layer];
    const own = [...written].reduce((sum, [from, length]) => (isLower(from) ? sum : sum + length), 0);
    const [culprit] = links
      .flatMap(({ text, origin: from }) => (from !== undefined && isLower(from.layer) ? [{ text, origin: from }] : []))
      .sort((a, b) => b.text.length - a.text.length);
    if (culprit === undefined || own > LONGEST_VALUE)
      return this.#fail(origin, messages.tooLong(LONGEST_VALUE, messages.viaChain([last])));
    return this.#fail(culprit.origin, messages.makesTooLong(LONGEST_VALUE, place(item)));
  }

  #reference(user: MergedKey, name: string, scope: string | undefined): Reference | undefined {
    const { origin } = user.winner;
    const forbidden = this.#names.forbidden(user, name);
    if (forbidden !== undefined) return this.#fail(origin, forbidden);
    if (name.startsWith('file:')) return this.#file(user, name);
    if (name === 'daemon' && !this.#names.builtins.has(name)) return this.#daemon(user, scope);
    if (this.#names.builtins.has(name)) return builtin(name, this.#names.builtins.get(name));
    const colon = name.indexOf(':');
    const [section, key] = colon < 0 ? ['env', name] : [name.slice(0, colon), name.slice(colon + 1)];
    const scoped = colon < 0 && scope !== undefined ? this.#names.find(`env.${scope}`, key) : undefined;
    const item = scoped ?? this.#names.find(section, key);
    if (item === undefined && scope === undefined && this.#isForDisplay() && this.#names.inSomeDaemon(name)) {
      return builtin(name, undefined);
    }
    if (item === undefined) {
      const fallback = colon < 0 ? undefined : this.#names.defaultOf(section, key);
      if (fallback !== undefined) return builtin(name, fallback);
      return this.#fail(origin, messages.unknownName(name, this.#known(), this.#usedBy(`%(${name})`)), name);
    }
    if (this.#stack.length > DEEPEST) return this.#fail(origin, messages.tooDeep(DEEPEST, this.#usedBy(`%(${name})`)));
    const inner = scopeOf(item.section) ?? (item.section === 'env' ? scope : undefined);
    const expansion = this.#resolve(item, inner);
    if (expansion === undefined) return undefined;
    const { text, masked } = expansion;
    const overridden = item.overridden.map(({ raw, origin: where }) => ({ raw, origin: where }));
    const secret = masked !== text;
    return { name, expansion, link: { name, text, masked, origin: item.winner.origin, secret, overridden } };
  }

  #daemon(user: MergedKey, scope: string | undefined): Reference | undefined {
    if (scope === undefined && !this.#isForDisplay()) {
      return this.#fail(user.winner.origin, messages.noDaemonHere(user.section));
    }
    return builtin('daemon', scope);
  }

  /**
   * `[env]` by itself is only looked at; the daemons get it in their own scope. There, names that each daemon has its
   * own value for stay as they are written.
   */
  #isForDisplay(): boolean {
    return this.#stack[0]?.item.section === 'env';
  }

  #file(user: MergedKey, name: string): Reference | undefined {
    const path = name.slice('file:'.length);
    const read = this.#names.readFile(path);
    if ('why' in read) return this.#fail(user.winner.origin, messages.badFileReference(path, read.why));
    this.#remember(read.text, MASK);
    const expansion: Expansion = {
      text: read.text,
      masked: MASK,
      chain: [],
      trust: 'platform',
      depth: 0,
      written: NOT_WRITTEN,
    };
    return { name, expansion, link: { name, text: read.text, masked: MASK, secret: true } };
  }

  #remember(text: string, masked: string): void {
    for (const secret of secretsIn(text, masked)) this.#secrets.add(secret);
  }

  #known(): readonly string[] {
    return this.#problems.full ? [] : this.#names.known();
  }

  /** Tells a fault once, though several daemons may meet it, each by another chain. */
  #fail(origin: Origin, text: messages.Text, kind: string = text.message): undefined {
    const id = `${origin.file}\0${origin.line}\0${kind}`;
    if (!this.#told.has(id)) this.#problems.at(origin, text);
    this.#told.add(id);
    return undefined;
  }

  /** Empty where the value itself holds the reference: the problem's place says it already. */
  #usedBy(last: string): string {
    return this.#stack.length < 2
      ? ''
      : this.#chain(
          this.#stack.map((entry) => entry.item),
          last,
        );
  }

  #chain(items: readonly MergedKey[], last: string): string {
    return messages.chainText([...items.map(place), last]);
  }
}

/** Names of daemons are the scope of their own two sections. */
export function scopeOf(section: string): string | undefined {
  if (section.startsWith('daemon.')) return section.slice('daemon.'.length);
  return section.startsWith('env.') ? section.slice('env.'.length) : undefined;
}

function place(item: MergedKey): string {
  const { file, line } = item.winner.origin;
  return `[${item.section}] ${item.key} (${line > 0 ? `${file}:${line}` : file})`;
}

/** A value that is not bound yet stays as it is written. */
function builtin(name: string, value: string | undefined): Reference {
  const text = value ?? `%(${name})`;
  return {
    name,
    expansion: { text, masked: text, chain: [], trust: 'platform', depth: 0, written: NOT_WRITTEN },
    link: { name, text, secret: false },
  };
}

function maskOf(key: string, text: string, masked: string): string {
  return text !== '' && isSecretName(key) ? MASK : maskText(masked);
}

function linkId({ name, origin }: ChainLink): string {
  return `${name}\0${origin?.file ?? ''}\0${origin?.line ?? 0}`;
}

/** Literal text and references, in order; `rest`: the text from a `%(` that nothing closes. */
function tokens(text: string): (string | { readonly name: string })[] | { readonly rest: string } {
  const parts: (string | { readonly name: string })[] = [];
  let literal = '';
  let from = 0;
  for (let at = text.indexOf('%'); at >= 0; at = text.indexOf('%', from)) {
    literal += text.slice(from, at);
    if (text[at + 1] === '(') {
      const close = text.indexOf(')', at);
      if (close < 0) return { rest: text.slice(at) };
      if (literal !== '') parts.push(literal);
      literal = '';
      parts.push({ name: text.slice(at + 2, close) });
      from = close + 1;
    } else {
      literal += '%';
      from = text[at + 1] === '%' ? at + 2 : at + 1;
    }
  }
  literal += text.slice(from);
  if (literal !== '') parts.push(literal);
  return parts;
}

/** The names that a raw value refers to; nothing where it is not well-formed. */
export function referencesOf(raw: string): readonly string[] {
  const parts = tokens(raw);
  return Array.isArray(parts) ? parts.flatMap((part) => (typeof part === 'string' ? [] : [part.name])) : [];
}
