import { formatSize, parseSize } from '../util/size.ts';
import type { LayerFile } from './layers.ts';
import type { MergedKey, Written } from './merge.ts';
import * as messages from './messages.ts';
import { DEFAULT_TMPFS_SIZE, isWithin, parseMount } from './mount.ts';
import type { ProblemList } from './problem-list.ts';
import { MOST_ADDED_DAEMONS } from './schema/app.ts';
import { sectionSpec } from './schema/index.ts';
import { DEFAULT_TMP_SIZE } from './schema/sandbox.ts';
import type { KeySpec, Layer, Setting, Value } from './types.ts';

/** What the trust rules have to know about the app. */
export interface TrustContext {
  readonly nodeFile: string;
  readonly siteFile: string;
  /** `[trust] application = full`: `.metactl` may set what the site layer may. */
  readonly full: boolean;
  /** The app's own release and state directory. */
  readonly own: readonly string[];
  readonly problems: ProblemList;
}

const EVERYBODY: readonly Layer[] = ['application', 'site', 'node'];

/** The layers that may set a key. */
export function layersOf(section: string, spec: KeySpec): readonly Layer[] {
  return spec.layers ?? sectionSpec(section)?.layers ?? EVERYBODY;
}

/** Rules that look at what a file says, whether or not a higher layer replaces it (DESIGN §3, Trust). */
export function checkWritten(
  file: LayerFile,
  section: string,
  key: string,
  spec: KeySpec,
  at: { line: number; keyColumn: number },
  context: TrustContext,
): boolean {
  const layers = layersOf(section, spec);
  const layer = file.layer === 'application' && context.full ? 'site' : file.layer;
  if (layers.includes(layer)) return true;
  const place = { file: file.file, line: at.line, column: at.keyColumn };
  const what = `\`[${section}] ${key}\``;
  const text =
    file.layer === 'application' && layers.includes('site')
      ? messages.trustForbidden(what, context.nodeFile)
      : messages.layerForbidden(what, file.layer === 'application' ? '.metactl' : file.layer, context.nodeFile);
  context.problems.add({ ...text, ...place });
  return false;
}

/** `%(file:)` and other people's secrets are not for `.metactl` to read. */
export function forbiddenReference(
  user: MergedKey,
  name: string,
  find: (section: string, key: string) => { written: Written; secret: boolean } | undefined,
  context: TrustContext,
): messages.Text | undefined {
  if (user.winner.layer !== 'application' || context.full) return undefined;
  if (name.startsWith('file:')) return messages.trustForbidden('`%(file:…)`', context.nodeFile);
  const colon = name.indexOf(':');
  if (colon < 0 || name.startsWith('env:') || name.startsWith('env.')) return undefined;
  const item = find(name.slice(0, colon), name.slice(colon + 1));
  return item?.secret && item.written.layer !== 'application' ? messages.secretRead(name, context.nodeFile) : undefined;
}

/** Rules on the effective value: a value keeps its layer's trust through interpolation. */
export function checkEffective(setting: Setting, spec: KeySpec, context: TrustContext): void {
  checkValueLayer(setting, spec, context);
  if (setting.trust !== 'application' || context.full) return;
  const isMount = setting.section === 'sandbox.mounts';
  if (setting.origin.layer === 'application') {
    if (isMount) checkMount(setting, context);
  } else if (isMount || !layersOf(setting.section, spec).includes('application')) {
    refuseInterpolated(setting, context);
  }
}

/** `mode = host`: a value that the site may not choose for a node, nor an app that is trusted as the site is. */
function checkValueLayer(setting: Setting, spec: KeySpec, { problems, nodeFile }: TrustContext): void {
  const layers = spec.valueLayers?.[setting.text];
  if (layers === undefined) return;
  const wrong = [setting.origin.layer, setting.trust].find((layer) => layer !== 'platform' && !layers.includes(layer));
  if (wrong === undefined) return;
  const what = `\`[${setting.section}] ${setting.key}\``;
  problems.at(setting.origin, messages.valueForbidden(what, setting.text, wrong, nodeFile));
}

/**
 * `.metactl` may lay something empty over parts of its own directories, and nothing else: a mount that shows something could
 * show what an administrator hides, make writable what he or the release is not, or what the host has mounted in there.
 * What is empty can't, whatever it covers and whatever links lead to it.
 */
function checkMount(setting: Setting, { own, nodeFile, problems }: TrustContext): void {
  const shows = parseMount(setting.text)?.kind;
  if (!isWithin(setting.key, own)) problems.at(setting.origin, messages.mountOutside(setting.key, nodeFile));
  else if (shows === 'ro' || shows === 'rw') {
    problems.at(setting.origin, messages.mountShows(setting.key, setting.text, nodeFile));
  }
}

/** What `onlyLess` compares: the values that an application has a part in, with what bounds them. */
export interface LessRequest {
  readonly key: string;
  readonly spec: KeySpec;
  readonly written: Written;
  readonly value: Value;
  readonly shown: string;
  /** What site or node set, if they did. */
  readonly bound: { readonly value: Value; readonly shown: string; readonly written: Written } | undefined;
}

/** A limit, nice or weight of `.metactl` may only ask for less than the default or what site or node set. */
export function checkLess(
  request: LessRequest,
  read: (text: string) => Value | undefined,
  context: TrustContext,
): void {
  const { spec, written, bound } = request;
  if (context.full || spec.onlyLess === undefined) return;
  const fallback = spec.bound ?? spec.default;
  const limit = bound?.value ?? (fallback === undefined ? undefined : read(fallback));
  if (limit === undefined) return;
  const atMost = spec.onlyLess === 'at-most-default';
  const allowed = numbersOf(spec, limit);
  const excess = numbersOf(spec, request.value).some((n, i) => (atMost ? n > allowed[i]! : n < allowed[i]!));
  if (!excess) return;
  // Weights and limits that nobody sets are the kernel's defaults.
  const isDefault = spec.bound === undefined || (spec.default === undefined && spec.type !== 'duration');
  const by =
    bound === undefined
      ? `the built-in ${isDefault ? 'default' : 'bound'}`
      : `${bound.written.origin.file}:${bound.written.origin.line}`;
  const text = messages.moreThanAllowed(request.key, request.shown, bound?.shown ?? fallback!, atMost, by);
  context.problems.at(written.origin, { ...text, hint: messages.trustHint(context.nodeFile) });
}

function numbersOf(spec: KeySpec, value: Value): readonly number[] {
  if (spec.measure !== undefined) return spec.measure(value);
  return typeof value === 'number' ? [value] : [];
}

/** A tmpfs of `.metactl` may be as large as `[sandbox] tmp-size` lets /tmp be: both are memory of the server. */
export function checkTmpfs(mounts: readonly Setting[], tmpSize: Setting | undefined, context: TrustContext): void {
  if (context.full) return;
  const most = typeof tmpSize?.value === 'number' ? tmpSize.value : parseSize(DEFAULT_TMP_SIZE)!;
  const by = tmpSize === undefined ? 'the built-in default' : `${tmpSize.origin.file}:${tmpSize.origin.line}`;
  for (const { key, text, origin, trust } of mounts) {
    const mount = parseMount(text);
    if (trust !== 'application' || mount?.kind !== 'tmpfs' || (mount.size ?? DEFAULT_TMPFS_SIZE) <= most) continue;
    const problem = messages.moreThanAllowed(key, text, formatSize(most), true, `[sandbox] tmp-size, ${by}`);
    context.problems.at(origin, { ...problem, hint: messages.trustHint(context.nodeFile) });
  }
}

/** Of `.metactl`: each costs memory of the kernel, and time at every start. */
const MOST_MOUNTS = 64;

/** The mounts that `.metactl` has a part in are not too many. Those of administrators don't count. */
export function checkMountCount(mounts: readonly Setting[], context: TrustContext): void {
  if (context.full) return;
  const extra = mounts.filter(({ trust }) => trust === 'application')[MOST_MOUNTS];
  if (extra !== undefined) context.problems.at(extra.origin, messages.tooManyMounts(MOST_MOUNTS, context.nodeFile));
}

/** Limits are each daemon's own, so the number of those that no administrator has named is one too. */
export function checkAddedDaemons(
  daemons: readonly string[],
  files: readonly LayerFile[],
  most: Setting | undefined,
  context: TrustContext,
): void {
  if (context.full) return;
  const named = new Set(
    files
      .filter(({ layer }) => layer !== 'application')
      .flatMap(({ headers }) => headers.map(({ section }) => section)),
  );
  const number = typeof most?.value === 'number' ? most.value : Number(MOST_ADDED_DAEMONS);
  const first = daemons.map((daemon) => `daemon.${daemon}`).filter((section) => !named.has(section))[number];
  if (first === undefined) return;
  const by = most === undefined ? 'the built-in default' : `${most.origin.file}:${most.origin.line}`;
  const at = files.flatMap(({ file, headers }) => headers.map((header) => ({ ...header, file })));
  const { file, line, column } = at.find(({ section }) => section === first)!;
  context.problems.add({ ...messages.tooManyAdded(number, by, context.nodeFile), file, line, column });
}

/**
 * Where site or node set `[firewall.out] policy`, `.metactl` may not open holes into it: neither by entries of its own nor by
 * values that an entry of theirs, or the policy itself, takes from it.
 */
export function checkFirewall(
  policy: Written | undefined,
  files: readonly LayerFile[],
  settings: readonly Setting[],
  context: TrustContext,
): void {
  if (context.full || policy === undefined || policy.layer === 'application') return;
  for (const file of files.filter(({ layer }) => layer === 'application')) {
    for (const { section, key, line, keyColumn } of file.entries) {
      if (section !== 'firewall.out.accept') continue;
      const text = messages.trustForbidden(`\`[${section}] ${key}\``, context.nodeFile);
      context.problems.add({ ...text, file: file.file, line, column: keyColumn });
    }
  }
  for (const setting of settings) {
    if (setting.trust === 'application' && setting.origin.layer !== 'application') refuseInterpolated(setting, context);
  }
}

function refuseInterpolated({ key, chain, origin }: Setting, { problems, nodeFile }: TrustContext): void {
  const link = chain.find((one) => one.origin?.layer === 'application');
  if (link?.origin === undefined) return;
  problems.at(origin, messages.trustThroughInterpolation(key, link.name, link.origin, nodeFile));
}
