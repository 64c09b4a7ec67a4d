import { connect, type Socket } from 'node:net';
import { MetactlError } from '../../../util/error.ts';
import { decodeMessage, encodeCall, type Message, messageSize } from './dbus-message.ts';
import type { Typed } from './dbus-types.ts';
import { PRIVATE_SOCKET } from './private-socket.ts';

/** ms without an answer: what D-Bus clients wait unless told. A busy systemd takes seconds; one that hangs must not hang us. */
const PATIENCE = 25_000;
/** Of an answer; ours are some hundred bytes. */
const LARGEST = 1 << 20;

const MANAGER = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

/** What is known of the unit that a process is in. */
export interface UnitFacts {
  /** `shop.service` */
  readonly id: string;
  /** Its cgroup, as in /proc/PID/cgroup. */
  readonly controlGroup: string;
  /** Whether systemd leaves what is below its cgroup alone. */
  readonly delegates: boolean;
  /** 0 for what has none. */
  readonly mainPid: number;
}

/** What metactl asks of systemd. Tests put a fake in its place. */
export interface SystemdManager {
  /** Undefined where systemd knows of no unit. */
  unitOf(pid: number): Promise<UnitFacts | undefined>;
  /** Starts a transient scope with a delegated cgroup and moves the process there; resolves when that is asked for. */
  startScope(name: string, description: string, pid: number): Promise<void>;
}

/**
 * systemd as it runs here, one connection per question.
 * @throws MetactlError (all of it) METACTL_SYSTEMD: no connection, no answer within 25 s, or an error as the answer.
 */
export function systemdManager(socket: string = PRIVATE_SOCKET): SystemdManager {
  return {
    unitOf: (pid) => withConnection(socket, (connection) => unitOf(connection, pid)),
    startScope: (name, description, pid) =>
      withConnection(socket, async (connection) => {
        await connection.call({
          ...MANAGER,
          member: 'StartTransientUnit',
          arguments: scopeArguments(name, description, pid),
        });
      }),
  };
}

/** Pure. */
export function scopeArguments(name: string, description: string, pid: number): readonly Typed[] {
  const properties = [
    ['Description', ['s', description]],
    ['Delegate', ['b', true]],
    // Forgotten when it is empty, also if something in it failed.
    ['CollectMode', ['s', 'inactive-or-failed']],
    ['PIDs', ['au', [pid]]],
  ];
  return [
    ['s', name],
    ['s', 'fail'],
    ['a(sv)', properties],
    ['a(sa(sv))', []],
  ];
}

async function unitOf(connection: Connection, pid: number): Promise<UnitFacts | undefined> {
  let path: unknown;
  try {
    [path] = await connection.call({ ...MANAGER, member: 'GetUnitByPID', arguments: [['u', pid]] });
  } catch (error) {
    if ((error as MetactlError).details?.error === 'org.freedesktop.systemd1.NoUnitForPID') return undefined;
    throw error;
  }
  const get = async (kind: string, name: string) => {
    const [value] = await connection.call({
      ...MANAGER,
      path: String(path),
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      arguments: [
        ['s', `org.freedesktop.systemd1.${kind}`],
        ['s', name],
      ],
    });
    return value;
  };
  const id = String(await get('Unit', 'Id'));
  const kind = id.endsWith('.service') ? 'Service' : id.endsWith('.scope') ? 'Scope' : undefined;
  if (kind === undefined) return { id, controlGroup: '', delegates: false, mainPid: 0 };
  return {
    id,
    controlGroup: String(await get(kind, 'ControlGroup')),
    delegates: (await get(kind, 'Delegate')) === true,
    mainPid: kind === 'Service' ? Number(await get(kind, 'MainPID')) : 0,
  };
}

type Call = Omit<Parameters<typeof encodeCall>[0], 'serial'>;

interface Connection {
  /** @returns the values of the answer. */
  call(call: Call): Promise<readonly unknown[]>;
}

async function withConnection<T>(path: string, use: (connection: Connection) => Promise<T>): Promise<T> {
  const socket = connect(path);
  try {
    const messages = openMessages(socket);
    // SASL EXTERNAL: the kernel tells systemd our uid, which is also in this line, as hexadecimal text.
    const uid = Buffer.from(String(process.geteuid?.() ?? 0)).toString('hex');
    socket.write(`\0AUTH EXTERNAL ${uid}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n`);
    // A call that arrives together with BEGIN lies in systemd's buffer until something more comes, which is never.
    await messages.greeting();
    let serial = 0;
    return await use({
      async call(call) {
        socket.write(encodeCall({ ...call, serial: ++serial }));
        const answer = await messages.answerTo(serial);
        if (answer.type !== 3) return answer.body;
        throw systemdError(`${call.member}: ${answer.body[0] ?? answer.errorName}`, answer.errorName);
      },
    });
  } finally {
    socket.destroy();
  }
}

interface Messages {
  /** Resolves when systemd has accepted us. */
  greeting(): Promise<void>;
  answerTo(serial: number): Promise<Message>;
}

function openMessages(socket: Socket): Messages {
  let bytes = Buffer.alloc(0);
  let greeted = false;
  let failure: MetactlError | undefined;
  const answers = new Map<number, Message>();
  let wake = () => {};
  const fail = (why: string) => {
    failure ??= systemdError(why);
    wake();
  };
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('it closed the connection'));
  socket.setTimeout(PATIENCE, () => fail(`no answer within ${PATIENCE / 1000} s`));
  socket.on('data', (data: Buffer) => {
    bytes = Buffer.concat([bytes, data]);
    try {
      if (!greeted) {
        greeted = skipGreeting();
        if (greeted) wake();
      }
      while (greeted && takeMessage()) wake();
    } catch (error) {
      fail((error as Error).message);
    }
  });
  /** Lines: `OK <guid>` and an answer about descriptors, which we don't use but systemd's own clients ask for. */
  const skipGreeting = (): boolean => {
    const lines = bytes.toString('latin1').split('\r\n');
    if (lines[0]!.startsWith('REJECTED')) throw new RangeError('it refuses us');
    if (lines.length < 3) return false;
    bytes = bytes.subarray(lines[0]!.length + lines[1]!.length + 4);
    return true;
  };
  const takeMessage = (): boolean => {
    const size = messageSize(bytes);
    if (size !== undefined && size > LARGEST) throw new RangeError('its answer is too long');
    if (size === undefined || bytes.length < size) return false;
    const message = decodeMessage(bytes.subarray(0, size));
    bytes = bytes.subarray(size);
    if (message.replyTo !== undefined) answers.set(message.replyTo, message);
    return true;
  };
  /** Asks again whenever something came. */
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (failure !== undefined) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    greeting: async () => void (await until(() => greeted || undefined)),
    answerTo: (serial) => until(() => answers.get(serial)),
  };
}

function systemdError(why: string, error?: string): MetactlError {
  return new MetactlError(`systemd gave no answer that helps: ${why}`, {
    code: 'METACTL_SYSTEMD',
    step: 'ask systemd',
    path: PRIVATE_SOCKET,
    hint: 'start metactl in a unit with Delegate=yes, then it needs to ask for nothing',
    ...(error === undefined ? {} : { details: { error } }),
  });
}
