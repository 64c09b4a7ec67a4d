import { describe, expect, it } from 'vitest';
import { defaultDevice } from '../../../src/host/linux/default-device.ts';

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
const route = (device: string, destination: string, flags: string, metric: number, mask: string) =>
  `${device}\t${destination}\t0101A8C0\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0`;

describe('the device of the default route', () => {
  it('is the one with the lowest metric', () => {
    const text = [
      HEAD,
      route('eth0', '0001A8C0', '0001', 0, '00FFFFFF'),
      route('wlan0', '00000000', '0003', 600, '00000000'),
      route('eth0', '00000000', '0003', 100, '00000000'),
    ];
    expect(defaultDevice(`${text.join('\n')}\n`)).toBe('eth0');
  });

  it('is none where no route goes everywhere', () => {
    expect(defaultDevice(`${HEAD}\n`)).toBeUndefined();
    // Half of everything, as VPNs do, and a default route that is down.
    const text = [
      HEAD,
      route('tun0', '00000000', '0001', 0, '00000080'),
      route('eth0', '00000000', '0002', 0, '00000000'),
    ];
    expect(defaultDevice(text.join('\n'))).toBeUndefined();
  });
});
