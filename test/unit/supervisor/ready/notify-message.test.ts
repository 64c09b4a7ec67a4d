import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNotification } from '../../../../src/supervisor/ready/notify-message.ts';

const parse = (text: string) => parseNotification(Buffer.from(text));
const NOTHING = { ready: false, reloading: false, stopping: false, barrier: false };

describe('parseNotification', () => {
  it('reads what it knows and leaves out the rest', () => {
    const text = [
      'READY=1',
      'RELOADING=1',
      'STOPPING=1',
      'STATUS=a=b',
      'ERRNO=2',
      'MAINPID=17',
      'WATCHDOG=1',
      'WATCHDOG_USEC=1500',
      'EXTEND_TIMEOUT_USEC=2000000',
      'MONOTONIC_USEC=5',
      'X_OWN=1',
      'no assignment',
    ].join('\n');
    expect(parse(text)).toEqual({
      ...{ ready: true, reloading: true, stopping: true, barrier: false, status: 'a=b', errno: 2, mainPid: 17 },
      ...{ watchdog: 'alive', watchdogTime: 2, extendTimeout: 2000 },
    });
  });

  it('wants exactly 1 for yes', () => {
    expect(parse('READY=0\nSTOPPING=yes\nRELOADING=')).toEqual(NOTHING);
  });

  it('takes the last of equal names, and a NUL at the end', () => {
    expect(parse('STATUS=a\nSTATUS=b\0')).toEqual({ ...NOTHING, status: 'b' });
  });

  it('refuses what is no text and what assigns nothing', () => {
    for (const text of ['', '\n\n', 'READY', '=1', 'REA\0DY=1', 'READY=1\0\0']) expect(parse(text)).toBeUndefined();
    expect(parseNotification(Buffer.from([0x52, 0x3d, 0xff]))).toBeUndefined();
  });

  it('ignores numbers that are none, or too large', () => {
    expect(parse('ERRNO=-1\nMAINPID=0\nWATCHDOG_USEC=0\nEXTEND_TIMEOUT_USEC=1e9')).toEqual(NOTHING);
    expect(parse('ERRNO=99999\nMAINPID=99999999\nWATCHDOG=2')).toEqual(NOTHING);
    expect(parse(`WATCHDOG_USEC=${'9'.repeat(20)}`)).toEqual({ ...NOTHING, watchdogTime: 2 ** 31 - 1 });
  });

  it('knows a barrier only alone', () => {
    expect(parse('BARRIER=1')).toEqual({ ...NOTHING, barrier: true });
    expect(parse('BARRIER=1\nREADY=1')).toEqual({ ...NOTHING, ready: true });
  });

  it('names what is to be stored', () => {
    expect(parse('FDSTORE=1\nFDNAME=web')).toEqual({ ...NOTHING, store: { name: 'web', watched: true } });
    expect(parse('FDSTORE=1\nFDNAME=a:b')).toEqual({ ...NOTHING, store: { name: 'stored', watched: true } });
    expect(parse('FDSTORE=1\nFDPOLL=0')).toEqual({ ...NOTHING, store: { name: 'stored', watched: false } });
  });

  it('names what is to be let go of, and stores nothing then', () => {
    expect(parse('FDSTOREREMOVE=1\nFDNAME=web\nFDSTORE=1')).toEqual({ ...NOTHING, forget: 'web' });
    expect(parse('FDSTOREREMOVE=1')).toEqual(NOTHING);
    expect(parse('FDNAME=web')).toEqual(NOTHING);
  });

  it('escapes and shortens the status', () => {
    expect(parse('STATUS=\x1b]0;x\x07\u202eabc')?.status).toBe('\\x1b]0;x\\x07\\u202eabc');
    expect(parse(`STATUS=${'é'.repeat(300)}`)?.status).toBe(`${'é'.repeat(256)}…`);
  });

  it('never throws, and gives nothing unsafe', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'binary' }), (bytes, text) => {
        parseNotification(bytes);
        const status = parse(`STATUS=${text.replaceAll('\n', ' ')}`)?.status ?? '';
        expect(status).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });
});
