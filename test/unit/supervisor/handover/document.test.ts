import { describe, expect, it } from 'vitest';
import { descriptorsIn } from '../../../../src/host/handover.ts';
import {
  decodeHandover,
  encodeHandover,
  HANDOVER_VERSION,
  type Handover,
} from '../../../../src/supervisor/handover/document.ts';

const DOCUMENT: Handover<unknown> = {
  metactl: '0.1.0',
  replaced: 3,
  host: { liveness: { read: { fd: 20 }, write: { fd: 21 } } },
  lock: { fd: 17 },
  control: { listener: { fd: 18 }, clients: [{ socket: { fd: 30 }, begun: Buffer.from('{"v') }] },
  body: {
    map: new Map([['web', { pidfd: { fd: 40 }, error: { fd: -1 } }]]),
    ready: { kind: 'fd', fd: 3 },
    never: Number.POSITIVE_INFINITY,
    bytes: new Uint8Array([1, 2]),
    nothing: undefined,
  },
};

describe('what is handed over', () => {
  it('comes out as it went in', () => {
    expect(decodeHandover(encodeHandover(DOCUMENT))).toEqual(DOCUMENT);
  });

  it('names the descriptors in it, and nothing else that has such a number', () => {
    expect(descriptorsIn(DOCUMENT).sort()).toEqual([17, 18, 20, 21, 30, 40]);
  });

  it('is refused where it is of another version, or none', () => {
    for (const by of [1, -1]) {
      expect(() => decodeHandover(encodeHandover(DOCUMENT, HANDOVER_VERSION + by))).toThrow(
        `can't read what is handed over: its format is version ${HANDOVER_VERSION + by}, and this metactl reads ${HANDOVER_VERSION}`,
      );
    }
    expect(() => decodeHandover(Buffer.from('ELF'))).toThrow(
      "can't read what is handed over: it is no hand-over of metactl",
    );
    expect(() => decodeHandover(encodeHandover(DOCUMENT).subarray(0, 60))).toThrow(
      expect.objectContaining({ code: 'METACTL_HANDOVER' }),
    );
  });
});
