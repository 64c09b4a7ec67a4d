import { describe, expect, it } from 'vitest';
import { readSysctl, writeSysctl } from '../../../src/host/linux/sysctl.ts';
import { MetactlError } from '../../../src/util/error.ts';

describe('sysctls', () => {
  it('are read without their newline', () => {
    expect(readSysctl('kernel/ostype')).toBe('Linux');
  });

  it('may not be there', () => {
    expect(readSysctl('net/ipv4/conf/no-such-link/forwarding')).toBeUndefined();
    expect(writeSysctl('net/ipv4/conf/no-such-link/forwarding', '1')).toBe(false);
  });

  it('that refuse are named with their path', () => {
    const write = () => writeSysctl('kernel/ostype', 'Solaris');
    expect(write).toThrow(MetactlError);
    expect(write).toThrow("can't write the sysctl kernel/ostype: EACCES");
  });
});
