import { closeSync } from 'node:fs';
import type { FirewallPlan, SandboxPlan } from '../../sandbox/plan.ts';
import { everyStep } from '../../util/every-step.ts';
import { objectName } from '../../util/paths.ts';
import type { Descriptor, Handed } from '../handover.ts';
import type { AppHandle, AppRequest, CgroupFacts, DaemonSandbox, Ending, StdioPlan, Usage } from '../host.ts';
import type { Successor } from './addon.ts';
import { cgroupSuffix, type LaunchCgroup, launchWithCgroup, makeCgroup } from './app-cgroup.ts';
import { renewFirewall, repairFirewall } from './app-firewall.ts';
import { type DaemonCgroup, type Leaf, openLeaves, removeDaemonCgroup } from './cgroup/index.ts';
import { holdNetwork } from './held-network.ts';
import { type LaunchHandles, launch, launchSoon, prepareLaterStarts, readyLaunch } from './launch.ts';
import { LimitedSandbox } from './limited-sandbox.ts';
import { ListeningCache } from './listening.ts';
import { LiveRecord } from './live-record.ts';
import { type DaemonHold, takeOverHold } from './lock.ts';
import { warnOfTroubles } from './network-troubles.ts';
import { NextRun, type Run } from './next-run.ts';
import { type HandedNotify, type OpenNotifySocket, takeOverNotifySocket } from './notify-socket.ts';
import { releaseApp } from './release-app.ts';
import { holdNetns } from './spare-netns.ts';
import { endSuccessor, followSuccessor, takeUpSandbox } from './spawn.ts';
import { openAppStages, type StagesHold } from './stages.ts';
import { idmapOf } from './user-namespace.ts';
import type { HandedSandbox, LaunchedSandbox } from './watch.ts';
import { whenCalm } from './when-calm.ts';

/** What LinuxApp hands over. */
interface HandedApp {
  readonly lock: Descriptor;
  readonly netns: Descriptor | undefined;
  readonly user: Descriptor | undefined;
  readonly notify: HandedNotify | undefined;
  readonly cgroup: { readonly leaves: readonly Leaf[]; readonly warnings: readonly string[] } | undefined;
  readonly facts: CgroupFacts;
  readonly looked: boolean;
  readonly running: { readonly sandbox: HandedSandbox; readonly killsBefore: number } | undefined;
}

/** See Host.takeOverApp. Nothing is made: it is all there. */
export function takeOverApp(request: AppRequest, handed: Handed): AppHandle {
  const { lock, netns, user, notify, cgroup, facts, looked, running } = handed as unknown as HandedApp;
  const { paths, app, daemon } = request;
  const hold = takeOverHold(paths, app, daemon, lock.fd);
  const path = request.notify ?? '';
  const made = {
    netns: netns?.fd,
    sysfs: undefined,
    begun: undefined,
    isOneOfMany: false,
    user: user?.fd,
    cgroup: cgroup === undefined ? undefined : openLeaves(cgroup.leaves, cgroup.warnings),
    notify: notify === undefined ? undefined : takeOverNotifySocket(notify, path, cgroupSuffix(request)),
  };
  return new LinuxApp(request, hold, made, facts, holdNetwork(request), { looked, running });
}

/** What a LinuxApp begins with. */
interface Made {
  readonly netns: number | undefined;
  /** Kept until the first start has mounted it. */
  readonly sysfs: number | undefined;
  readonly user: number | undefined;
  readonly begun: Promise<void> | undefined;
  readonly cgroup: DaemonCgroup | undefined;
  readonly notify: OpenNotifySocket | undefined;
  readonly isOneOfMany: boolean;
}

interface Begun {
  readonly sandbox: LaunchedSandbox;
  readonly cgroup: DaemonCgroup;
  /** How often the kernel had killed in it before. */
  readonly killsBefore: number;
}

/** A daemon that is held, see AppHandle: it is started, followed, and given up. */
export class LinuxApp implements AppHandle {
  readonly notify: OpenNotifySocket | undefined;
  readonly #request: AppRequest;
  #hold: DaemonHold;
  readonly #netns: number | undefined;
  #sysfs: number | undefined;
  readonly #user: number | undefined;
  readonly #cgroupFacts: CgroupFacts;
  readonly #stopWatching: () => void;
  /** Prepared mount namespaces: a restart does not build the whole root again. */
  readonly #stages: StagesHold;
  readonly #releaseNetns = holdNetns();
  #running: Promise<unknown> | undefined;
  /** Sandboxes that have not ended: the last one, and for a moment one before it. */
  #unended = 0;
  /** The last one, and how often the kernel had killed in its cgroup before. */
  #last: { readonly sandbox: LaunchedSandbox; readonly killsBefore: number; readonly plan: SandboxPlan } | undefined;
  #next: NextRun | undefined;
  #closed = false;
  #handed: HandedApp['running'];
  /** See beginAppCgroup. */
  readonly #begun: Promise<void> | undefined;
  #cgroup: DaemonCgroup | undefined;
  /** One that could not be removed after a run. */
  #stuck: DaemonCgroup | undefined;
  readonly #listening = new ListeningCache();
  readonly #live: LiveRecord;
  #looked: boolean;
  /** It was opened while others of the app were, too. */
  readonly #isOneOfMany: boolean;

  constructor(
    request: AppRequest,
    hold: DaemonHold,
    { netns, sysfs, user, begun, cgroup, notify, isOneOfMany }: Made,
    cgroupFacts: CgroupFacts,
    stopWatching: () => void,
    { looked, running }: Pick<HandedApp, 'looked' | 'running'> = { looked: false, running: undefined },
  ) {
    this.#looked = looked;
    this.#isOneOfMany = isOneOfMany;
    this.#handed = running;
    this.#stopWatching = stopWatching;
    this.notify = notify;
    this.#request = request;
    this.#hold = hold;
    this.#netns = netns;
    this.#sysfs = sysfs;
    this.#user = user;
    this.#begun = begun;
    this.#cgroup = cgroup;
    this.#cgroupFacts = cgroupFacts;
    this.#live = new LiveRecord(request, user);
    this.#stages = openAppStages(objectName(request.paths, request.app));
  }

  async start(plan: SandboxPlan, io: StdioPlan): Promise<DaemonSandbox> {
    // Made ready by the last run, when its maps were there.
    const successor = this.#last?.plan === plan ? this.#last.sandbox.takeSuccessor() : undefined;
    const idmap = successor === undefined ? await idmapOf(plan) : undefined;
    this.#listening.begin();
    this.#live.keep();
    const { sandbox, cgroup, killsBefore } =
      successor === undefined ? await this.#launch(plan, io, idmap) : this.#succeed(successor, plan, io);
    // Nobody may enter before the sandbox is complete, so it is made known only then.
    const started = sandbox.started.then(() => this.#live.write(sandbox.pid, plan));
    void started.then(
      () => this.#lookForTroubles(),
      () => {},
    );
    void sandbox.started.catch(() => {}).then(() => this.#dropSysfs());
    return this.#follow(sandbox, started, { plan, cgroup, io, killsBefore });
  }

  /** A restart is launched at once; with the first starts of many daemons the next one is prepared meanwhile. */
  async #launch(plan: SandboxPlan, io: StdioPlan, idmap: number | undefined): Promise<Begun> {
    if (this.#stuck !== undefined) await this.#stuck.remove();
    this.#stuck = undefined;
    const isFirst = this.#isOneOfMany && this.#last === undefined;
    const soon = isFirst && (this.notify?.stored() ?? []).length === 0;
    if (soon && this.#cgroup === undefined) {
      const handlesOf = (cgroup: LaunchCgroup) => this.#handles(cgroup, io, 0, idmap);
      const launched = await launchWithCgroup(this.#request, plan, this.#cgroupFacts, handlesOf);
      this.#cgroup = launched?.cgroup;
      if (launched !== undefined) return { ...launched, killsBefore: 0 };
    }
    const { paths, app, daemon } = this.#request;
    if (isFirst && this.#cgroup === undefined) await removeDaemonCgroup(paths, app, daemon, this.#cgroupFacts);
    const cgroup = this.#cgroupFor(plan);
    const killsBefore = cgroup.knownOomKills;
    const handles = this.#handles(cgroup, io, killsBefore, idmap);
    if (!soon) return { sandbox: launch(plan, handles), cgroup, killsBefore };
    const launched = launchSoon(plan, handles);
    // The others wait for it, see `untilStagesMade`.
    if (this.#netns !== undefined && plan.sandboxed) void this.#stages.prepare(plan, this.#netns, idmap);
    return { sandbox: (await launched).sandbox, cgroup, killsBefore };
  }

  /** Follows what the addon has started at the end of the run before. */
  #succeed(successor: Successor, plan: SandboxPlan, io: StdioPlan): Begun {
    const cgroup = this.#cgroupFor(plan);
    const killsBefore = cgroup.knownOomKills;
    const oomKilled = () => cgroup.oomKills() > killsBefore;
    const sandbox = followSuccessor(successor, io, { leftOut: plan.root.leftOut, oomKilled });
    return { sandbox, cgroup, killsBefore };
  }

  #handles(cgroup: LaunchCgroup, io: StdioPlan, killsBefore: number, idmap: number | undefined) {
    return {
      tasks: cgroup.tasks,
      v1: cgroup.v1,
      stdio: io,
      stored: this.notify?.stored() ?? [],
      stages: this.#stages,
      // Also without a limit of its own: a whole machine out of memory counts here too.
      oomKilled: () => cgroup.oomKills() > killsBefore,
      ...(this.#netns === undefined ? {} : { netns: this.#netns }),
      ...(this.#user === undefined ? {} : { user: this.#user }),
      ...(idmap === undefined ? {} : { idmap }),
      ...(cgroup.directory === undefined ? {} : { cgroup: cgroup.directory }),
    } satisfies LaunchHandles;
  }

  takeUp(plan: SandboxPlan, io: StdioPlan): DaemonSandbox | undefined {
    const handed = this.#handed;
    this.#handed = undefined;
    if (handed === undefined) return undefined;
    const { killsBefore } = handed;
    this.#cgroup ??= openLeaves([], []);
    const cgroup = this.#cgroup;
    const oomKilled = () => cgroup.oomKills() > killsBefore;
    const sandbox = takeUpSandbox(handed.sandbox, io, { leftOut: plan.root.leftOut, oomKilled });
    const isKnown = handed.sandbox.spawned.error.fd < 0;
    idmapOf(plan)
      .then((idmap) => prepareLaterStarts(plan, this.#handles(cgroup, io, killsBefore, idmap)))
      .catch(() => {});
    const started = isKnown ? sandbox.started : sandbox.started.then(() => this.#live.write(sandbox.pid, plan));
    return this.#follow(sandbox, started, { plan, cgroup, io, killsBefore });
  }

  handOver(): Handed | undefined {
    const sandbox = this.#unended === 0 ? undefined : this.#last?.sandbox.handOver();
    if (this.#unended > 1 || (this.#unended === 1 && sandbox === undefined) || this.#cgroup?.spent) return undefined;
    if (this.#next?.settle() === false) return undefined;
    const descriptor = (fd: number | undefined) => (fd === undefined ? undefined : { fd });
    const cgroup = this.#cgroup;
    const handed: HandedApp = {
      lock: { fd: this.#hold.fd },
      netns: descriptor(this.#netns),
      user: descriptor(this.#user),
      notify: this.notify?.handOver(),
      cgroup: cgroup === undefined ? undefined : { leaves: cgroup.leaves, warnings: cgroup.warnings },
      facts: this.#cgroupFacts,
      looked: this.#looked,
      running: sandbox === undefined ? undefined : { sandbox, killsBefore: this.#last!.killsBefore },
    };
    return { ...handed };
  }

  #follow(sandbox: LaunchedSandbox, started: Promise<void>, run: Run): DaemonSandbox {
    const { plan, cgroup, killsBefore } = run;
    this.#last = { sandbox, killsBefore, plan };
    this.#unended++;
    const next = new NextRun(sandbox);
    this.#next = next;
    started.then(() => this.#prepare(sandbox, next, run)).catch(() => {});
    const over = this.#finish(sandbox, started, cgroup);
    const unused = sandbox.daemonEnded.then(() => next.end());
    const ended = over.then(() => sandbox.ended);
    void ended.then(() => this.#unended--);
    // Without their values: a list of all ends would grow for ever.
    this.#running = Promise.all([this.#running, ended, unused]).then(() => {});
    return new LimitedSandbox(sandbox, cgroup, next, { started, over, ended });
  }

  /** For the start that follows this one, once there is time for it. */
  async #prepare(sandbox: LaunchedSandbox, next: NextRun, { plan, cgroup, io, killsBefore }: Run): Promise<void> {
    const [directory] = cgroup.paths;
    const isLast = () => this.#last?.sandbox === sandbox && !this.#closed;
    if (directory === undefined) return;
    const idmap = await idmapOf(plan);
    const isCounted = cgroup.leaves.some(
      ({ hierarchy: { version, controllers } }) => version === 2 && controllers.length > 0,
    );
    const handles = { ...this.#handles(cgroup, io, killsBefore, idmap), isCounted };
    whenCalm(this, async () => {
      if (isLast()) next.prepared(() => readyLaunch(plan, handles, `${directory}/cgroup.procs`));
    });
  }

  /** Once, when the daemon runs already: no start waits for it. */
  #lookForTroubles(): void {
    const request = this.#request;
    if (this.#looked || this.#netns === undefined) return;
    this.#looked = true;
    if (!this.#isOneOfMany) warnOfTroubles(request);
    else whenCalm(request, async () => (this.#closed ? undefined : warnOfTroubles(request)));
  }

  #dropSysfs(): void {
    if (this.#sysfs !== undefined) closeSync(this.#sysfs);
    this.#sysfs = undefined;
  }

  /** Made at the first start and kept over restarts, unless it was killed: making it costs as much as the launch itself. */
  #cgroupFor(plan: SandboxPlan): DaemonCgroup {
    this.#cgroup ??= makeCgroup(this.#request, plan, this.#cgroupFacts);
    return this.#cgroup;
  }

  async renewFirewall(plan: FirewallPlan): Promise<boolean> {
    const { paths, app, network } = this.#request;
    return 'hostLink' in network ? !(await renewFirewall(paths, app, network.hostLink, plan)) : true;
  }

  async keepFirewall(): Promise<boolean> {
    return !(await repairFirewall(this.#request.paths, this.#request.app));
  }

  cpuUsec(): number {
    return this.#cgroup?.cpuUsec() ?? 0;
  }

  usage(): Usage | undefined {
    const cgroup = this.#cgroup;
    if (cgroup === undefined) return undefined;
    const { memory, cpuUsec, tasks } = cgroup.stats();
    const { found, cut } = this.#listening.last;
    return { memory, cpuUsec, tasks, listens: found, listensCut: cut };
  }

  stayFound(): void {
    if (this.#closed || this.#hold.isThere()) return;
    const { paths, app, daemon } = this.#request;
    this.#hold = takeOverHold(paths, app, daemon, this.#hold.fd);
    if (this.#last !== undefined && this.#unended > 0) this.#live.write(this.#last.sandbox.pid, this.#last.plan);
  }

  async lookWhereItListens(): Promise<void> {
    const cgroup = this.#cgroup;
    if (cgroup !== undefined) await this.#listening.look(() => cgroup.pids());
  }

  async close(): Promise<void> {
    await this.#running;
    this.#closed = true;
    this.#stopWatching();
    this.#stages.release();
    this.#releaseNetns();
    this.notify?.close();
    await this.#begun;
    if (this.#netns !== undefined) closeSync(this.#netns);
    this.#dropSysfs();
    if (this.#user !== undefined) closeSync(this.#user);
    const cgroup = this.#cgroup ?? this.#stuck;
    // What is left of it must not keep the next start out: that removes it, or says what is in it.
    await everyStep([() => cgroup?.remove(), () => releaseApp(this.#request, this.#hold)]);
  }

  /** Waits for the end, then ends what a plain supervision could not reach. */
  async #finish(sandbox: LaunchedSandbox, started: Promise<void>, cgroup: DaemonCgroup): Promise<Ending> {
    const ending = await sandbox.daemonEnded;
    await started.catch(() => {});
    this.#live.removeSoon();
    // Looked at before the successor was started.
    if (sandbox.hasSuccessor) {
      setImmediate(() => this.#endSuccessor(sandbox));
      return ending;
    }
    // Where processes are collected, some may have left the cgroup.
    if (!sandbox.collects && cgroup.holdsOnly(sandbox.pid)) return ending;
    await sandbox.ended;
    try {
      await this.#clear(cgroup);
    } catch (error) {
      // The daemon has ended all the same. A next start finds what is in its way.
      this.#stuck = cgroup;
      this.#request.onWarning?.((error as Error).message);
    }
    return await sandbox.ended;
  }

  /** Ends what the daemon has left in its cgroup. */
  async #clear(cgroup: DaemonCgroup): Promise<void> {
    cgroup.kill();
    if (cgroup.spent) {
      if (this.#cgroup === cgroup) this.#cgroup = undefined;
      await cgroup.remove();
    }
    // What the rest of it died of is not the next one's.
    cgroup.oomKills();
  }

  /** Nobody has taken it in the turn in which it was offered: nobody will. */
  #endSuccessor(sandbox: LaunchedSandbox): void {
    const successor = sandbox.takeSuccessor();
    if (successor === undefined) return;
    this.#running = Promise.all([this.#running, endSuccessor(successor)]).then(() => {});
  }
}
