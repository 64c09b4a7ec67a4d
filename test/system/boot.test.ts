import { expect, it } from 'vitest';
import { useGuest } from './guest/use-guest.ts';

const guest = useGuest({ disks: { spare: 16 } });

it('is a Debian 12 with systemd as PID 1, one cgroup v2 tree and nothing failed', async () => {
  expect(await guest.run('. /etc/os-release; echo $ID $VERSION_ID; cat /proc/1/comm')).toBe('debian 12\nsystemd');
  expect(await guest.run('stat -f -c %T /sys/fs/cgroup')).toBe('cgroup2fs');
  expect(await guest.run('systemctl --failed --no-legend; systemctl is-system-running')).toBe('running');
});

it('has metactl, installed as the README says', async () => {
  expect(await guest.run('metactl --version')).toMatch(/^\d+\.\d+\.\d+$/);
});

it('brings status, output and errors of a script back', async () => {
  const { status, stdout, stderr, timedOut } = await guest.attempt('echo out; echo err >&2; exit 7');
  expect({ status, stdout, stderr, timedOut }).toEqual({
    status: 7,
    stdout: 'out\n',
    stderr: 'err\n',
    timedOut: false,
  });
  await expect(guest.run('echo words; false')).rejects.toThrow(
    /^the script ended with 1:\necho words; false\nstdout:\nwords/,
  );
  await expect(guest.run('sleep 30', 500)).rejects.toThrow('the script took too long');
});

it('has the disks it was given', async () => {
  expect(await guest.run('blkid -o value -s LABEL /dev/disk/by-id/virtio-spare')).toBe('spare');
});

it('reboots', async () => {
  const before = await guest.run('echo kept > /srv/kept; sync; cat /proc/sys/kernel/random/boot_id');
  await guest.reboot();
  expect(await guest.run('cat /proc/sys/kernel/random/boot_id')).not.toBe(before);
  expect(await guest.run('cat /srv/kept')).toBe('kept');
});
