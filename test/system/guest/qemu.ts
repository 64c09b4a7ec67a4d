import { type ChildProcess, spawn } from 'node:child_process';
import type { Image } from './image.ts';

export interface QemuOptions {
  readonly image: Image;
  /** Unix socket that someone listens on: the agent's virtio port. */
  readonly port: string;
  /** File for what the guest writes to its serial console. */
  readonly console: string;
  /** More disks, read-write: /dev/disk/by-id/virtio-<serial>. */
  readonly disks: readonly { readonly path: string; readonly serial: string }[];
}

/** MiB. */
const MEMORY = 1536;

/**
 * qemu's command line: everything emulated (KVM is not there on every machine), no network device. The guest's writes go
 * to temporary files that have no name, so images are never changed and nothing is left. Pure.
 */
export function qemuArguments({ image, port, console, disks }: QemuOptions): string[] {
  const all = [...image.disks.map((path, i) => ({ path, serial: `system${i}` })), ...disks];
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', String(MEMORY)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-monitor', 'none', '-serial', `file:${console}`],
    ...['-kernel', image.kernel, '-initrd', image.initrd],
    ...['-append', 'root=LABEL=root rw console=ttyS0 loglevel=5 systemd.show_status=1 panic=5'],
    ...['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci'],
    ...['-chardev', `socket,id=agent,path=${port}`, '-device', 'virtserialport,chardev=agent,name=metactl'],
    ...all.flatMap(({ path, serial }, i) => [
      ...['-drive', `file=${path},format=raw,if=none,id=disk${i},snapshot=on,cache=unsafe`],
      ...['-device', `virtio-blk-pci,drive=disk${i},serial=${serial}`],
    ]),
  ];
}

/** Starts it. It dies with this process, however that ends. */
export function startQemu(options: QemuOptions): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...qemuArguments(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
