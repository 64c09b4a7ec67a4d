import { describe, expect, it } from 'vitest';
import { inspect } from './root.ts';

const NODE = '/etc/metactl/nodes/myapp.conf';
const forbidden = (what: string) =>
  `found ${what} in .metactl, expected it in the node file: an application may not set it; ` +
  `move it to ${NODE}, or set [trust] application = full there`;

describe('the firewall', () => {
  const application = '[firewall.out.accept]\ndb = db.example.org:5432\n';
  const told = [`.metactl:2:1: ${forbidden('`[firewall.out.accept] db`')}`];

  it('is .metactl’s own where nobody else has a policy', () => {
    expect(inspect({ application }).lines).toEqual([]);
    expect(inspect({ application: `${application}[firewall.out]\npolicy = reject\n` }).lines).toEqual([]);
  });

  it.each(['defaults', 'site', 'node'] as const)('has no holes of .metactl where %s sets the policy', (layer) => {
    const files = { application, [layer]: '[firewall.out]\npolicy = reject\n' };
    expect(inspect(files).lines).toEqual(told);
    expect(
      inspect({ ...files, node: `${layer === 'node' ? files.node : ''}[trust]\napplication = full\n` }).lines,
    ).toEqual([]);
  });
});

describe('the firewall of site or node', () => {
  const ENTRY = '[firewall.out.accept]\ndb = %(DB):5432\n';
  const POLICY = '[firewall.out]\npolicy = reject\n';
  const told = (place: string, name: string, key: string) =>
    `${place}: found %(${name}) from .metactl:2 in \`${key}\`, expected a value that no application can set; ` +
    `set it in ${NODE}, or set [trust] application = full there`;

  it.each([
    ['a host', '%(DB):5432', '0.0.0.0/0'],
    ['a port', '10.0.0.1:%(DB)', '1-65535'],
    ['all', '%(DB)', '0.0.0.0/0'],
    ['a part of a name', '%(DB).example.org:5432', 'evil'],
  ])('has no entry with %s from .metactl', (_, entry, value) => {
    const application = `[env]\nDB = ${value}\n`;
    const node = `[firewall.out.accept]\ndb = ${entry}\n${POLICY}`;
    expect(inspect({ application, node }).lines).toEqual([told(`${NODE}:2:6`, 'DB', 'db')]);
    expect(inspect({ application, node: `${node}[trust]\napplication = full\n` }).lines).toEqual([]);
  });

  it('has none through several values, and other layers', () =>
    expect(
      inspect({ application: '[env]\nWHERE = evil\n', site: `[env]\nDB = x.%(WHERE)\n${ENTRY}`, node: POLICY }).lines,
    ).toEqual([told('/etc/metactl/site/myapp.conf:4:6', 'WHERE', 'db')]));

  it('takes values of administrators, and is free where the policy is .metactl’s', () => {
    const application = '[env]\nDB = evil\n';
    expect(inspect({ application, site: ENTRY, node: `[env]\nDB = db\n${POLICY}` }).lines).toEqual([]);
    expect(inspect({ application: `${application}${POLICY}`, site: ENTRY }).lines).toEqual([]);
  });

  it('is not switched off by .metactl', () =>
    expect(
      inspect({ application: '[env]\nPOLICY = accept\n', node: '[firewall.out]\npolicy = %(POLICY)\n' }).lines,
    ).toEqual([told(`${NODE}:2:10`, 'POLICY', 'policy')]));
});
