import { closeSync, readFileSync } from 'node:fs';
import type { SandboxPlan, UserNamespacePlan } from '../../sandbox/plan.ts';
import { addon } from './addon.ts';
import { bindCgroups } from './cgroup-binds.ts';
import { type EncodeOptions, encodePlan, encodeStage, encodeStaged, type RootPart, type StagedPlan } from './encode.ts';
import type { TreeSource } from './encode-steps.ts';
import { parseMountinfo } from './facts.ts';
import { expandRecursiveBinds } from './recursive-binds.ts';
import { joinParts, type SplitRoot, splitRoot, watchedPaths } from './stage-split.ts';

/** Where metactl-init starts: in a copy of the host's mounts, of the empty stage, the node's or the app's. */
export type StartKind = 'host' | 'empty' | 'node' | 'app';

/** A plan in the kernel's hands: a sealed memfd, and the host mounts that go with it. */
export interface EncodedPlan {
  readonly memfd: number;
  readonly trees: readonly TreeSource[];
}

/** What launches may share: all of the node's, or all of one app's. */
export interface SharedRoot {
  /** Equal for equal shared roots. */
  readonly key: string;
  readonly root: RootPart;
  readonly staged: StagedPlan;
  /** Host paths that it shows or hides. */
  readonly sources: readonly string[];
}

/** A plan's shared roots. */
export interface SharedRoots {
  /** Undefined where nothing of it is common to all apps. */
  readonly node: SharedRoot | undefined;
  /** All of it, the node's part included, for one app. */
  readonly app: SharedRoot;
  /** How the app's is built on the node's; undefined where it adds nothing. */
  readonly onNode: StagedPlan | undefined;
}

/** What follows from the root, which the daemons of an app may have in common. */
interface CachedRoot {
  readonly split: SplitRoot;
  readonly namespace: UserNamespacePlan | undefined;
  shared: SharedRoots | undefined;
}

interface Cached {
  readonly root: CachedRoot;
  readonly variants: Map<string, EncodedPlan>;
}

const roots = new WeakMap<SandboxPlan['root'], CachedRoot>();

function cachedRoot({ root, userNamespace }: SandboxPlan): CachedRoot {
  const known = roots.get(root);
  if (known !== undefined && known.namespace === userNamespace) return known;
  const entry = { split: splitRoot(root), namespace: userNamespace, shared: undefined };
  roots.set(root, entry);
  return entry;
}

/** By plan, so that a restart encodes nothing. Closed when nobody has the plan any more. */
const cache = new WeakMap<SandboxPlan, Cached>();
const closer = new FinalizationRegistry<Map<string, EncodedPlan>>((variants) => {
  for (const { memfd } of variants.values()) closeSync(memfd);
});

function cached(plan: SandboxPlan): Cached {
  let entry = cache.get(plan);
  if (entry === undefined) {
    entry = { root: cachedRoot(plan), variants: new Map() };
    cache.set(plan, entry);
    closer.register(plan, entry.variants);
  }
  return entry;
}

export function sharedRootsOf(plan: SandboxPlan): SharedRoots {
  const { root: entry } = cached(plan);
  if (entry.shared === undefined) {
    const { common, shared } = entry.split;
    entry.shared = {
      node: common.steps.length === 0 ? undefined : sharedRoot(common),
      app: sharedRoot(joinParts(common, shared), plan.userNamespace),
      onNode: shared.steps.length === 0 ? undefined : encodeStage(shared, true),
    };
  }
  return entry.shared;
}

function sharedRoot(root: RootPart, namespace?: UserNamespacePlan): SharedRoot {
  const staged = encodeStage(root);
  // Idmapped mounts may be part of it, and how they map is not in the bytes. The bytes as they are: `node:crypto` would
  // cost the first start of a process 4 ms.
  const maps = JSON.stringify(namespace ?? null);
  const key = `${maps} ${Buffer.from(staged.bytes).toString('latin1')}`;
  return { key, root, staged, sources: watchedPaths(root) };
}

/** What varies between launches of one plan, and its daemon's v1 cgroups, see `bindCgroups`. */
export interface LaunchOptions extends EncodeOptions {
  readonly v1: ReadonlyMap<string, string>;
}

export function encodedPlan(plan: SandboxPlan, kind: StartKind, options: Omit<LaunchOptions, 'stored'>): EncodedPlan {
  const { root, variants } = cached(plan);
  const key = `${kind} ${options.terminal} ${options.loopback} ${[...options.v1.values()].join(':')}`;
  let found = variants.get(key);
  if (found === undefined) {
    found = seal(encodeFor(plan, kind, root.split, options));
    variants.set(key, found);
  }
  return found;
}

/** The plan of one start only; its memfd is the caller's. */
export function encodeOnce(plan: SandboxPlan, kind: StartKind, options: LaunchOptions): EncodedPlan {
  return seal(encodeFor(plan, kind, cached(plan).root.split, options));
}

function seal({ bytes, trees }: StagedPlan): EncodedPlan {
  return { memfd: addon().sealedMemfd('metactl-plan', bytes, false), trees };
}

function encodeFor(plan: SandboxPlan, kind: StartKind, split: SplitRoot, options: LaunchOptions) {
  const own = { ...split.own, steps: bindCgroups(split.own.steps, options.v1) };
  if (kind === 'app') return encodeStaged(plan, [own], false, options);
  if (kind === 'node') return encodeStaged(plan, [split.shared, own], false, options);
  const root = { ...plan.root, steps: bindCgroups(plan.root.steps, options.v1) };
  if (kind === 'empty') return encodeStaged(plan, [root], true, options);
  const whole = { ...plan, root };
  return { bytes: encodePlan(addon().hasMountApi() ? whole : expanded(whole), options), trees: [] };
}

function expanded(plan: SandboxPlan): SandboxPlan {
  const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  return { ...plan, root: { ...plan.root, steps: expandRecursiveBinds(plan.root.steps, mounts) } };
}
