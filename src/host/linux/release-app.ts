import { everyStep } from '../../util/every-step.ts';
import type { AppRequest } from '../host.ts';
import { notifyPath } from '../notify.ts';
import { removeFirewall } from './app-firewall.ts';
import { removeLive } from './live.ts';
import { areLiving, type DaemonHold, removeRunDirectory, withAppLock } from './lock.ts';
import { removeAppNetwork } from './network.ts';
import { removeNotifySocket } from './notify-socket.ts';
import { removeTemporary } from './temporary.ts';
import { removeUserNamespace } from './user-namespace.ts';

/** Gives up the hold, whatever fails; the last daemon of the app takes the shared objects with it. */
export async function releaseApp(request: AppRequest, hold: DaemonHold): Promise<void> {
  const { paths, app, daemon } = request;
  const ownObjects = [
    () => removeLive(paths, app, daemon),
    // A killed predecessor may have left one.
    ...[true, false].map((sandboxed) => () => removeNotifySocket(notifyPath(paths, app, daemon, sandboxed), paths)),
    () => hold.release(),
  ];
  try {
    await withAppLock(paths, app, () => everyStep([...ownObjects, () => releaseShared(request)]));
  } finally {
    hold.letGo();
  }
}

async function releaseShared({ paths, app, network }: AppRequest): Promise<void> {
  if (areLiving(paths, app, 1)) return;
  if (process.geteuid?.() === 0) {
    await removeAppNetwork(paths, app, network);
    await removeFirewall(paths, app);
    removeTemporary(paths, app);
    removeUserNamespace(paths, app);
  }
  removeRunDirectory(paths, app);
}
