import { describe, expect, it } from 'vitest';
import {
  errorOf,
  errorRecord,
  LineReader,
  readRequest,
  unknownVerb,
} from '../../../../src/supervisor/control/protocol.ts';
import { MetactlError } from '../../../../src/util/error.ts';

describe('readRequest', () => {
  it('takes a request of this version', () => {
    const line = '{"v":1,"id":7,"verb":"status","app":"shop"}';
    expect(readRequest(line)).toEqual({ request: { v: 1, id: 7, verb: 'status', app: 'shop' } });
  });

  it.each([
    ['{', null, 'METACTL_BAD_REQUEST', 'the request is no JSON'],
    ['[1]', null, 'METACTL_BAD_REQUEST', 'the request is no JSON object'],
    ['null', null, 'METACTL_BAD_REQUEST', 'the request is no JSON object'],
    ['{"v":2,"id":3,"verb":"status"}', 3, 'METACTL_PROTOCOL_VERSION', 'this supervisor speaks version 1'],
    ['{"id":3,"verb":"status"}', 3, 'METACTL_PROTOCOL_VERSION', 'this supervisor speaks version 1'],
    ['{"v":1,"verb":"status"}', null, 'METACTL_BAD_REQUEST', 'the request has no id or no verb'],
    ['{"v":1,"id":"3","verb":"status"}', null, 'METACTL_BAD_REQUEST', 'the request has no id or no verb'],
    ['{"v":1,"id":3,"verb":{}}', 3, 'METACTL_BAD_REQUEST', 'the request has no id or no verb'],
  ])('answers %s', (line, id, code, message) => {
    expect(readRequest(line)).toEqual({ refusal: { v: 1, id, error: { code, message } } });
  });
});

it('an unknown verb is told which there are, and can do nothing to a terminal', () => {
  const { error } = unknownVerb({ v: 1, id: 1, verb: '\x1b[2J' }, ['status', 'stop']);
  expect(error).toEqual({
    code: 'METACTL_UNKNOWN_VERB',
    message: 'this supervisor has no verb `\\x1b[2J`; it has status stop',
  });
});

describe('errors', () => {
  it('come out as they went in', () => {
    const error = new MetactlError('no', { code: 'EPERM', step: 's', path: '/p', hint: 'h', exitStatus: 78 });
    expect(errorOf(errorRecord(error))).toMatchObject({
      message: 'no',
      code: 'EPERM',
      step: 's',
      path: '/p',
      hint: 'h',
      exitStatus: 78,
    });
  });

  it('of another kind are unexpected', () => {
    expect(errorRecord(new Error('boom'))).toEqual({ code: 'METACTL_UNEXPECTED', message: 'boom' });
  });
});

describe('LineReader', () => {
  it('puts lines together from any pieces', () => {
    const reader = new LineReader(100);
    expect(reader.push(Buffer.from('a'))).toEqual([]);
    expect(reader.push(Buffer.from('b\nc\nd'))).toEqual(['ab', 'c']);
    expect(reader.push(Buffer.from('\n\n'))).toEqual(['d', '']);
    expect(reader.overflowed).toBe(false);
  });

  it('keeps nothing of a line that is too long', () => {
    const reader = new LineReader(4);
    expect(reader.push(Buffer.from('ok\n12345'))).toEqual(['ok']);
    expect(reader.overflowed).toBe(true);
    expect(reader.push(Buffer.from('\nok\n'))).toEqual([]);
  });

  it('keeps characters whole that come in two pieces', () => {
    const bytes = Buffer.from('ä\n');
    const reader = new LineReader(10);
    expect([...reader.push(bytes.subarray(0, 1)), ...reader.push(bytes.subarray(1))]).toEqual(['ä']);
  });
});
