import { expect, it } from 'vitest';
import { parseListeners } from '../../../src/host/linux/listeners.ts';

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 20 4 30 10 -1
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: B80D0120000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4714 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF0000020200C0:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4717 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF000000000000:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4718 1 0000000000000000 100 0 0 10 0
`;
const UDP = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
    5: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4715 2 0000000000000000 0
    6: 0100007F:9999 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 4716 2 0000000000000000 0
`;

it('sockets that wait are read, connections are not', () => {
  expect(parseListeners(TCP, 'tcp')).toEqual([
    { address: '127.0.0.1', port: 8080, inode: '4711' },
    { address: undefined, port: 22, inode: '4712' },
  ]);
  expect(parseListeners(TCP6, 'tcp')).toEqual([
    { address: '2001:db8::1', port: 80, inode: '4714' },
    // IPv4 by an IPv6 socket, as a JVM binds it.
    { address: '192.0.2.2', port: 8080, inode: '4717' },
    { address: undefined, port: 8081, inode: '4718' },
  ]);
  expect(parseListeners(UDP, 'udp')).toEqual([{ address: undefined, port: 53, inode: '4715' }]);
});
