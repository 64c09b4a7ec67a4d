import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadApp } from '../../../src/config/load.ts';
import { platforms } from '../../../src/platform/index.ts';
import { PASS_THROUGH } from '../../../src/service/model.ts';
import { systemd } from '../../../src/service/systemd.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot } from '../config/root.ts';
import { modelOf } from './models.ts';

/** `[systemd.*]`: what systemd reads is what was written, as one directive more. */

const ONE = '[daemon.web]\ncommand = /bin/web\n';

/** A unit file by the rules of systemd.syntax(7): comments, continued lines, white space around `=`. */
function readUnit(text: string): readonly (readonly [section: string, name: string, value: string])[] {
  const found: [string, string, string][] = [];
  let section = '';
  let pending = '';
  for (const line of text.split(/\r?\n|\r|\0/)) {
    // A comment between continued lines is no part of them.
    if (/^\s*[#;]/.test(line)) continue;
    if (/\\$/.test(line)) {
      pending += `${line.slice(0, -1)} `;
      continue;
    }
    const whole = (pending + line).trim();
    pending = '';
    if (whole === '') continue;
    const header = /^\[(.*)\]$/.exec(whole)?.[1];
    const at = whole.indexOf('=');
    if (header !== undefined) section = header;
    else found.push([section, whole.slice(0, Math.max(at, 0)).trim(), whole.slice(at + 1).trim()]);
  }
  return found;
}

const unitOf = (node: string) =>
  readUnit(systemd.files(modelOf(node)).find(({ name }) => name.endsWith('.service'))!.text);

const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    '\\',
    '\\\\',
    '"',
    "'",
    ' ',
    '\t',
    '#',
    ';',
    ' # ',
    '%h',
    '%%',
    '$X',
    '[Service]',
    'ExecStart=/bin/evil',
    '=',
  ),
  fc.constantFrom('\n', '\r', '\0', '\u2028', '\u0085', '\v', '\f', '\x1b', '\x7f', '\ufeff'),
);
const value = fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join('').replaceAll('\n', '\r'));

describe.each(PASS_THROUGH)('[systemd.%s]', (section) => {
  const before = unitOf(ONE);
  it('reaches systemd as it was written, and adds nothing else', () => {
    let reached = 0;
    fc.assert(
      fc.property(value, (text) => {
        const node = `${ONE}[systemd.${section}]\nX-Test = ${text}\n`;
        let after: ReturnType<typeof readUnit>;
        try {
          after = unitOf(node);
        } catch (error) {
          // Refused, with the file that it is in.
          expect(error).toBeInstanceOf(MetactlError);
          expect((error as MetactlError).exitStatus).toBe(78);
          return;
        }
        reached++;
        const config = loadApp(pathsFor(appRoot({ application: '', node })), 'myapp', platforms);
        // An empty value takes the key out, as everywhere.
        const said = config.section(`systemd.${section}`)[0]?.text;
        const added = after.filter((one) => !before.some((other) => other.join('\0') === one.join('\0')));
        expect(added).toEqual(said === undefined ? [] : [[section, 'X-Test', said.trim()]]);
        expect(after).toHaveLength(before.length + added.length);
      }),
      { numRuns: 150 },
    );
    expect(reached).toBeGreaterThan(5);
  });
});
