import { expect, it } from 'vitest';
import { NO_SANDBOX_FILE } from '../../../src/config/no-sandbox.ts';
import type { AppConfig, Value } from '../../../src/config/types.ts';
import { leftOutWarnings } from '../../../src/sandbox/enabled.ts';
import { fakeConfig } from '../platform/fake-config.ts';

const SECTIONS = {
  sandbox: { enabled: false as Value },
  'sandbox.net': { publish: ['8080:80'] },
  'firewall.out': { policy: 'drop' },
};

/** A configuration whose sandbox the command line switched off. */
function withoutSandbox(sections: Parameters<typeof fakeConfig>[0]): AppConfig {
  const config = fakeConfig(sections);
  const enabled = config.setting('sandbox', 'enabled')!;
  const origin = { ...enabled.origin, file: NO_SANDBOX_FILE };
  return {
    ...config,
    setting: (section, key) => (key === 'enabled' ? { ...enabled, origin } : config.setting(section, key)),
  };
}

it('what --no-sandbox leaves out is told', () => {
  expect(leftOutWarnings(withoutSandbox(SECTIONS))).toEqual([
    '--no-sandbox: [firewall.out] policy = drop is not in force: myapp may connect to all that this host can',
    '--no-sandbox: [sandbox.net] publish = 8080:80 is left out: myapp listens on this host itself',
  ]);
  expect(leftOutWarnings(withoutSandbox({ sandbox: { enabled: false } }))).toEqual([]);
  // Where a file says so, both are errors.
  expect(leftOutWarnings(fakeConfig(SECTIONS))).toEqual([]);
});
