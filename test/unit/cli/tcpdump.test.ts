import { describe, expect, it } from 'vitest';
import { findTcpdump, tcpdumpArguments } from '../../../src/cli/tcpdump.ts';

describe('metactl tcpdump', () => {
  it.each([
    [[], ['-i', 'veth0']],
    [
      ['-n', 'port', '80'],
      ['-i', 'veth0', '-n', 'port', '80'],
    ],
    [
      ['-i', 'lo'],
      ['-i', 'lo'],
    ],
    [['-ilo'], ['-ilo']],
    [
      ['-nni', 'lo'],
      ['-nni', 'lo'],
    ],
    [['--interface=lo'], ['--interface=lo']],
    [
      ['--interface', 'lo'],
      ['--interface', 'lo'],
    ],
    [['-D'], ['-D']],
    [
      ['-r', 'file'],
      ['-r', 'file'],
    ],
    [['--version'], ['--version']],
    // Values that only look like the option.
    [
      ['-w', '-i'],
      ['-i', 'veth0', '-w', '-i'],
    ],
    [['-wi'], ['-i', 'veth0', '-wi']],
    [
      ['-c', '1', '--', '-i'],
      ['-i', 'veth0', '-c', '1', '--', '-i'],
    ],
  ])('%j', (words, expected) => {
    expect(tcpdumpArguments(words, true)).toEqual(['tcpdump', ...expected]);
  });

  it('shows every link where the app has none of its own', () => {
    expect(tcpdumpArguments(['-n'], false)).toEqual(['tcpdump', '-i', 'any', '-n']);
  });

  it('tells that there is no tcpdump', () => {
    expect(() => findTcpdump(['/nonexistent', '/etc'])).toThrow(
      expect.objectContaining({
        code: 'METACTL_NO_TCPDUMP',
        message: 'tcpdump is not installed',
        hint: 'install it: apt-get install tcpdump, or dnf install tcpdump',
        exitStatus: 127,
      }),
    );
  });
});
