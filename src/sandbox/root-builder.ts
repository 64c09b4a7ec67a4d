import { dirname } from 'node:path';
import type { HostFacts, PathState } from '../host/host.ts';
import { isBelow } from './host-directories.ts';
import type { MountFlags, MountStep } from './plan.ts';

/** A fresh file system laid over a path: below it nothing of the host exists, so mount points must be made. */
interface Cover {
  readonly path: string;
  /** Made read-only once everything below it is in place. */
  readonly seal: boolean;
  readonly shared: boolean;
  /**
   * The mount point of a host file system that is left out: empty inside. Nothing can be made in it, so a tmpfs is laid
   * over it as soon as something has its place below.
   */
  pending?: boolean;
}

/** How a host path is bound. */
interface BindFlags extends MountFlags {
  readonly recursive?: boolean;
  readonly shared?: boolean;
  readonly idmapped?: boolean;
}

interface TmpfsOptions extends MountFlags {
  /** Bytes. */
  readonly size: number;
  readonly inodes?: number;
  readonly mode: number;
  readonly seal: boolean;
  readonly shared: boolean;
}

/** Directories take no blocks of a tmpfs. */
const PLACE_SIZE = 4096;

/**
 * Collects the steps of a root in order and knows what exists where: a mount point below a cover is made, one on the
 * read-only host tree must be there already. Pure: asks only the given facts.
 */
export class RootBuilder {
  readonly #facts: HostFacts;
  readonly #steps: MountStep[] = [];
  readonly #covers: Cover[] = [];
  readonly #made = new Map<string, 'directory' | 'file'>();
  /** Bound directories, whose contents are those of their source on the host. */
  readonly #bound = new Map<string, string>();
  /** Steps that could come first, before anything that differs between apps. */
  readonly #candidates = new Set<MountStep>();
  #common = false;

  /** @param leftOut mount points of the host's file systems that are not there inside. */
  constructor(facts: HostFacts, leftOut: readonly string[] = []) {
    this.#facts = facts;
    for (const path of leftOut) this.#covers.push({ path, seal: true, shared: true, pending: true });
  }

  add(step: MountStep): void {
    this.#steps.push(step);
    if (this.#common && step.shared) this.#candidates.add(step);
  }

  /** What `work` adds is the same for every app of the node, and needs nothing that was added before it for this app. */
  common(work: () => void): void {
    this.#common = true;
    work();
    this.#common = false;
  }

  /** Lays a tmpfs over `path`, which must exist or lie below another cover. */
  tmpfs(path: string, options: TmpfsOptions): void {
    const { seal, ...step } = options;
    this.ensure(path, 'directory', options.shared);
    this.add({ op: 'tmpfs', target: path, noSuid: true, noDev: true, ...step });
    this.cover(path, seal, options.shared);
  }

  /** Tells that `path` now is a file system of its own without anything of the host below it. */
  cover(path: string, seal: boolean, shared: boolean): void {
    this.#covers.push({ path, seal, shared });
    for (const made of [...this.#made.keys()]) if (made !== path && isBelow(made, path)) this.#made.delete(made);
  }

  /** Binds a host path. @returns false where the mount point is missing on the host tree. */
  bind(source: string, target: string, flags: BindFlags): boolean {
    // A directory that metactl is about to make (the app's state) is not there yet.
    const kind = ['directory', 'absent'].includes(this.#facts.state(source)) ? 'directory' : 'file';
    const { recursive = false, shared = true, ...rest } = flags;
    if (!this.ensure(target, kind, shared)) return false;
    this.add({ op: 'bind', source, target, recursive, shared, ...rest });
    this.#bound.set(target, source);
    return true;
  }

  /** Binds a file system of the host in its own place, where its mount point is known to be. */
  keep(path: string, flags: MountFlags): void {
    this.ensure(path, this.#facts.state(path) === 'file' ? 'file' : 'directory', true);
    this.add({ op: 'bind', source: path, target: path, recursive: false, shared: true, ...flags });
    this.#bound.set(path, path);
  }

  /** Makes sure that a mount point is there: made where it is below a cover, looked up on the host where it is not. */
  ensure(path: string, kind: 'directory' | 'file', shared: boolean): boolean {
    if (this.#made.has(path)) return true;
    let cover = this.#innermost(path);
    // The mount point of a left-out file system is where its parent has it.
    if (cover?.pending && cover.path === path) cover = this.#innermost(path, cover);
    if (cover === undefined) return this.hostState(path) !== 'absent';
    if (cover.path === path) return true;
    if (cover.pending) this.#lay(cover);
    for (const directory of ancestorsBelow(kind === 'directory' ? path : dirname(path), cover.path)) {
      if (this.#made.has(directory)) continue;
      this.add({ op: 'mkdir', target: directory, mode: 0o755, shared });
      this.#made.set(directory, 'directory');
    }
    if (kind === 'file') this.add({ op: 'file', target: path, mode: 0o444, content: '', shared });
    this.#made.set(path, kind);
    return true;
  }

  /** True where `path` is below a cover and no bind has brought it back: the app cannot see the host's file there. */
  isCovered(path: string): boolean {
    const cover = this.#innermost(path);
    return cover !== undefined && !(cover.pending && cover.path === path);
  }

  /** The steps, with the covers sealed last, and how many of them are common to all apps of the node. */
  finish(): { steps: MountStep[]; common: number } {
    for (const cover of this.#covers) if (cover.seal && !cover.pending) this.#seal(cover);
    const common = commonSteps(this.#steps, this.#candidates);
    const rest = this.#steps.filter((step) => !common.has(step));
    // Common ones may be done once for all apps, shared ones once for all launches of this app (stages): they come first.
    const steps = [...common, ...rest.filter((step) => step.shared), ...rest.filter((step) => !step.shared)];
    return { steps, common: common.size };
  }

  #seal(cover: Cover): void {
    const flags = { readOnly: true, noSuid: true, noDev: cover.path !== '/dev' };
    const laid = this.#steps.find((step) => step.op === 'tmpfs' && step.target === cover.path);
    const step: MountStep = { op: 'remount', target: cover.path, shared: cover.shared, ...flags };
    this.#steps.push(step);
    if (laid !== undefined && this.#candidates.has(laid)) this.#candidates.add(step);
  }

  /** State of what is at `path` inside, as the host's file under the innermost bind shows it. */
  hostState(path: string): PathState {
    for (let at = path; at !== '/'; at = dirname(at)) {
      const source = this.#bound.get(at);
      if (source !== undefined) return this.#facts.state(source + path.slice(at.length));
    }
    return this.#facts.state(path);
  }

  /** Whether what is at `path` inside is something else than a directory: only another file can be mounted there. */
  isFile(path: string): boolean {
    const made = this.#made.get(path);
    if (made !== undefined || this.isCovered(path)) return made === 'file';
    return ['file', 'other'].includes(this.hostState(path));
  }

  /** Whether it is one for certain. */
  isDirectory(path: string): boolean {
    const made = this.#made.get(path);
    if (made !== undefined || this.isCovered(path)) return made === 'directory';
    return this.hostState(path) === 'directory';
  }

  #lay(cover: Cover): void {
    // It may itself lie below another one.
    this.ensure(cover.path, 'directory', true);
    cover.pending = false;
    const flags = { noSuid: true, noDev: true, noExec: true };
    this.add({ op: 'tmpfs', target: cover.path, size: PLACE_SIZE, mode: 0o755, shared: true, ...flags });
  }

  /** The innermost cover over `path`, unless a bind lies between them. */
  #innermost(path: string, except?: Cover): Cover | undefined {
    let best: Cover | undefined;
    for (const cover of this.#covers) {
      if (cover === except) continue;
      if (isBelow(path, cover.path) && (best === undefined || cover.path.length >= best.path.length)) best = cover;
    }
    if (best === undefined) return undefined;
    for (const bound of this.#bound.keys()) {
      if (bound !== path && isBelow(path, bound) && isBelow(bound, best.path) && bound !== best.path) return undefined;
    }
    return best;
  }
}

/**
 * The candidates that may really come first. One can't if something of this app is to be under it (an overlay on /etc), nor
 * a file system in which something of this app is to be made: all apps would see it. Pure.
 */
function commonSteps(steps: readonly MountStep[], candidates: ReadonlySet<MountStep>): ReadonlySet<MountStep> {
  const others = steps.filter((step) => !candidates.has(step));
  const made = others.filter((step) => ['mkdir', 'file', 'symlink', 'device'].includes(step.op));
  const under = others.filter((step) => step.op !== 'remount' && !made.includes(step) && step.shared);
  const tainted = [...candidates].flatMap((step) => {
    const laid =
      step.op === 'tmpfs' && made.some(({ target }) => target !== step.target && isBelow(target, step.target));
    return laid || under.some(({ target }) => isBelow(step.target, target)) ? [step.target] : [];
  });
  return new Set(steps.filter((step) => candidates.has(step) && !tainted.some((path) => isBelow(step.target, path))));
}

/** `/a/b/c` below `/a` gives `/a/b`, `/a/b/c`. */
function ancestorsBelow(path: string, top: string): string[] {
  const list: string[] = [];
  for (let at = path; at !== top && at !== '/'; at = dirname(at)) list.unshift(at);
  return list;
}
