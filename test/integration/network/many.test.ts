import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { outputIn, withSite } from './site.ts';

leakCheck();

/** More than the look-ups after which the addon takes a new procfs instance. */
const APPS = 40;

describe('many networks made by one process', () => {
  it('all let everybody use ports below 1024, inside only', () =>
    withSite(async (site) => {
      const start = site.lab.pool.replace(/\d+\/25$/, '');
      const values: string[] = [];
      for (let i = 0; i < APPS; i++) {
        const { netns } = await site.make(`app${i}`, `${start}${130 + i}`);
        values.push(outputIn(netns, 'sysctl', '-n', 'net.ipv4.ip_unprivileged_port_start').trim());
      }
      expect(values).toEqual(Array(APPS).fill('0'));
      expect(outputIn(site.lab.otherNetns, 'sysctl', '-n', 'net.ipv4.ip_unprivileged_port_start').trim()).toBe('1024');
    }));
});
