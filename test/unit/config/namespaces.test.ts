import { expect, it } from 'vitest';
import { inspectApp } from '../../../src/config/load.ts';
import { platforms } from '../../../src/platform/index.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot } from './root.ts';

/**
 * What gave a process a namespace of its own under systemd 252 (Debian 12), of all directives of [Service] tried one by one beside
 * /proc/1/ns; a system test asks for the booleans again.
 */
const SEEN = `DynamicUser PrivateDevices PrivateIPC PrivateMounts PrivateNetwork PrivateTmp PrivateUsers ProtectControlGroups ProtectHostname
ProtectKernelLogs ProtectKernelModules ProtectKernelTunables ProcSubset ProtectProc ProtectHome ProtectSystem TemporaryFileSystem MountFlags
BindPaths BindReadOnlyPaths ReadOnlyPaths ReadWritePaths InaccessiblePaths NoExecPaths ExecPaths IPCNamespacePath LogNamespace`;
/** By its documentation: without an image or a namespace that is there they only fail. */
const TOLD =
  'MountImages ExtensionImages ExtensionDirectories RootDirectory RootImage NetworkNamespacePath RestrictNamespaces';

it.each(`${SEEN} ${TOLD}`.split(/\s/))('[systemd.Service] %s is refused', (name) => {
  const node = `[daemon.web]\ncommand = x\n[systemd.Service]\n${name} = yes\n`;
  const { problems } = inspectApp(pathsFor(appRoot({ application: '', node })), 'myapp', platforms);
  expect(problems.map(({ message, hint }) => [message.split(',')[0], hint])).toEqual([
    [
      `found the directive \`${name}\` in [systemd.Service]`,
      'it would change what the supervisor itself sees, and every sandbox with it',
    ],
  ]);
});
