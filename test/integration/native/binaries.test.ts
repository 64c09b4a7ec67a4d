import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../fixtures/native/compile.ts';
import { sandboxPlan } from '../../fixtures/native/plan.ts';
import { start } from '../../fixtures/native/run.ts';

const addonPath = join(ROOT, 'build/Release/metactl.node');
const initPath = join(ROOT, 'build/Release/metactl-init');
const readelf = (path: string, ...flags: string[]) =>
  execFileSync('readelf', ['-W', ...flags, path], { encoding: 'utf8' });

/** Type and flags (`RWE`) of every program header. */
function segments(path: string): { type: string; flags: string }[] {
  const rows = readelf(path, '-l').matchAll(/^ {2}([A-Z_]+)\s+(?:0x[0-9a-f]+\s+){5}([RWE ]{3})/gm);
  return [...rows].map(([, type, flags]) => ({ type: type!, flags: flags!.replaceAll(' ', '') }));
}

describe('metactl.node', () => {
  it('is position-independent with full RELRO and no executable stack', () => {
    expect(segments(addonPath)).toContainEqual({ type: 'GNU_RELRO', flags: 'R' });
    expect(segments(addonPath)).toContainEqual({ type: 'GNU_STACK', flags: 'RW' });
    const dynamic = readelf(addonPath, '-d');
    expect(dynamic).toMatch(/BIND_NOW|FLAGS_1.*NOW/);
    expect(dynamic).not.toContain('TEXTREL');
    expect(readelf(addonPath, '-h')).toMatch(/Type:\s+DYN/);
  });

  it('shows nothing but what Node looks for, and checks its stack', () => {
    const symbols = readelf(addonPath, '--dyn-syms').split('\n').slice(4).filter(Boolean);
    const ours = symbols.filter((line) => !line.includes(' UND ') && line.includes('metactl'));
    expect(ours).toEqual([]);
    expect(symbols.join('\n')).toContain('napi_register_module_v1');
    expect(symbols.join('\n')).toContain('__stack_chk_fail');
  });
});

describe('metactl-init', () => {
  it('is static, without libc, and no segment is both writable and executable', () => {
    const found = segments(initPath);
    expect(found.map(({ type }) => type)).not.toContain('INTERP');
    expect(found.map(({ type }) => type)).not.toContain('DYNAMIC');
    expect(found.filter(({ type }) => type === 'LOAD').length).toBeGreaterThan(0);
    for (const { flags } of found) expect(flags.includes('W') && flags.includes('E')).toBe(false);
    expect(found).toContainEqual({ type: 'GNU_STACK', flags: 'RW' });
    expect(statSync(initPath).size).toBeLessThan(32 * 1024);
  });

  it('takes at most 32 kB', async () => {
    const sandbox = start(sandboxPlan(['sleep', '1000']));
    await sandbox.started;
    const pss = Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${sandbox.pid}/smaps_rollup`, 'utf8'))?.[1]);
    sandbox.kill();
    await sandbox.ended;
    expect(pss).toBeLessThanOrEqual(32);
  });
});
