import { afterAll, beforeAll } from 'vitest';
import { type Running, startMetactl } from './run-metactl.ts';
import { makeScratch, type Scratch } from './scratch.ts';

/** Runs an app `shop` in the foreground while this file's tests run: one daemon, without network, that sleeps. */
export function useRunningShop(): { readonly root: string } {
  let scratch: Scratch | undefined;
  let running: Running | undefined;
  beforeAll(async () => {
    scratch = makeScratch();
    const directory = scratch.appDirectory('shop', { 'main.sh': '#!/bin/sh\necho up\nexec sleep 1000\n' });
    scratch.node(
      'shop',
      `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ./main.sh\n`,
    );
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
  });
  afterAll(async () => {
    await running?.stop('SIGTERM');
    scratch?.remove();
  });
  return {
    get root() {
      return scratch!.root;
    },
  };
}
