import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forgetMade, type MadeObject, madeOf, readMade, recordMade } from '../../../src/host/linux/record.ts';
import { type Paths, pathsFor } from '../../../src/util/paths.ts';

const mount: MadeObject = { kind: 'mount', path: '/run/metactl/web/tmp' };
const network: MadeObject = { kind: 'network', netns: '/run/netns/metactl-web', link: 'mt-web', address: '198.18.0.9' };

describe('the record of made objects', () => {
  let paths: Paths;
  beforeEach(() => {
    paths = pathsFor(mkdtempSync(join(tmpdir(), 'metactl-record-')));
    mkdirSync(paths.runApp('web'), { recursive: true });
  });
  afterEach(() => rmSync(paths.root, { recursive: true }));

  it('holds each object once, in order of making, for its owner only', () => {
    recordMade(paths, 'web', mount);
    recordMade(paths, 'web', network, mount);
    expect(readMade(paths, 'web')).toEqual([mount, network]);
    expect(madeOf(paths, 'web', 'network')).toEqual([network]);
    expect(readMade(paths, undefined)).toEqual([]);
    expect(readMade(paths, 'db')).toEqual([]);
  });

  it('tells objects apart that differ in one field', () => {
    recordMade(paths, 'web', network);
    recordMade(paths, 'web', { ...network, uplink: 'eth0' });
    expect(readMade(paths, 'web')).toHaveLength(2);
    forgetMade(paths, 'web', network);
    expect(readMade(paths, 'web')).toEqual([{ ...network, uplink: 'eth0' }]);
  });

  it('goes away with its last object', () => {
    recordMade(paths, 'web', mount, network);
    forgetMade(paths, 'web', mount);
    expect(readMade(paths, 'web')).toEqual([network]);
    forgetMade(paths, 'web', network);
    expect(statSync(join(paths.runApp('web'), 'made.json'), { throwIfNoEntry: false })).toBeUndefined();
    forgetMade(paths, 'web', network);
  });

  it('is for root only, and leaves no temporary file', () => {
    recordMade(paths, undefined, { kind: 'nft', table: 'metactl' });
    expect(statSync(join(paths.run, 'made.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(paths.run, 'made.json.new'), { throwIfNoEntry: false })).toBeUndefined();
  });

  it('of another boot means nothing', () => {
    recordMade(paths, 'web', mount);
    const path = join(paths.runApp('web'), 'made.json');
    const file = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...file, bootId: '00000000-0000-0000-0000-000000000000' }));
    expect(readMade(paths, 'web')).toEqual([]);
    writeFileSync(path, '{"version":1');
    expect(readMade(paths, 'web')).toEqual([]);
  });
});
