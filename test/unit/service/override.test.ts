import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withManual, withoutManual } from '../../../src/service/override.ts';
import { runSteps } from '../../../src/service/run-steps.ts';
import { scratch } from './models.ts';

const OWN = 'env A=b\nlimit nofile 4096 4096\n';
const OURS = '# Made by `metactl disable`.\nmanual\n';

describe('the line `manual` of an override', () => {
  it('is all that metactl adds and takes', () => {
    expect(withManual(undefined)).toBe(OURS);
    expect(withoutManual(OURS)).toBeUndefined();
    expect(withoutManual(undefined)).toBeUndefined();
    expect(withManual(OWN)).toBe(`${OWN}manual\n`);
    expect(withManual('env A=b')).toBe('env A=b\nmanual\n');
    expect(withManual('')).toBe('manual\n');
    expect(withoutManual(withManual(OWN))).toBe(OWN);
    expect(withoutManual(OWN)).toBe(OWN);
    expect(withoutManual(`${OURS}${OWN}`)).toBe(OWN);
  });
  it('is there once', () => {
    const once = `  manual # not now\n${OWN}`;
    expect(withManual(once)).toBe(once);
    expect(withoutManual(once)).toBe(OWN);
  });
  it('is none of a script', () => {
    const script = 'pre-start script\n  manual\nend script\n';
    expect(withManual(script)).toBe(`${script}manual\n`);
    expect(withoutManual(`${script}manual\n`)).toBe(script);
  });
});

describe('the file', () => {
  const step = (file: string, manual: boolean) => ({ file, edit: manual ? withManual : withoutManual, told: 'change' });
  it('keeps its mode, and what somebody wrote into it', async () => {
    const file = join(scratch(), 'metactl.shop.web.override');
    writeFileSync(file, OWN);
    chmodSync(file, 0o640);
    await runSteps([step(file, true)]);
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual([`${OWN}manual\n`, 0o640]);
    await runSteps([step(file, false)]);
    expect(readFileSync(file, 'utf8')).toBe(OWN);
  });
  it('comes and goes where it is metactl’s alone', async () => {
    const file = join(scratch(), 'metactl.shop.web.override');
    await runSteps([step(file, true)]);
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual([OURS, 0o644]);
    await runSteps([step(file, false), step(file, false)]);
    expect(existsSync(file)).toBe(false);
  });
  it('is never one behind a link', async () => {
    const directory = scratch();
    writeFileSync(join(directory, 'other'), OWN);
    symlinkSync('other', join(directory, 'link'));
    await expect(runSteps([step(join(directory, 'link'), true)])).rejects.toMatchObject({
      code: 'METACTL_UNIT_CHANGED',
    });
    expect(readFileSync(join(directory, 'other'), 'utf8')).toBe(OWN);
  });
});
