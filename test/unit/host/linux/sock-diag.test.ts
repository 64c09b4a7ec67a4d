import { expect, it } from 'vitest';
import { dumpRequest, readListeners } from '../../../../src/host/linux/sock-diag.ts';

/** One message as the kernel sends it. */
function message(family: number, port: number, address: Buffer, inode: number): Buffer {
  const bytes = Buffer.alloc(16 + 72);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(20, 4);
  bytes.writeUInt8(family, 16);
  bytes.writeUInt16BE(port, 20);
  address.copy(bytes, 24);
  bytes.writeUInt32LE(inode, 16 + 68);
  return bytes;
}

function control(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32LE(20, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeInt32LE(value, 16);
  return bytes;
}

it('asks for listening TCP sockets', () => {
  const request = dumpRequest(2);
  expect([request.length, request.readUInt16LE(6), [...request.subarray(16, 24)]]).toEqual([
    72,
    0x301,
    [2, 6, 0, 0, 0, 4, 0, 0],
  ]);
});

it('reads both families until the dump is done', () => {
  const four = message(2, 8080, Buffer.from([127, 0, 0, 1]), 11);
  const six = message(10, 443, Buffer.from('20010db8000000000000000000000001', 'hex'), 12);
  expect(readListeners(Buffer.concat([four, six]))).toEqual({
    listeners: [
      { inode: '11', text: 'tcp 127.0.0.1:8080' },
      { inode: '12', text: 'tcp [2001:db8::1]:443' },
    ],
    done: false,
  });
  expect(readListeners(control(3, 0))).toEqual({ listeners: [], done: true });
});

it("says what the kernel doesn't do", () => {
  expect(() => readListeners(control(2, -2))).toThrow('sock_diag: errno 2');
});
