import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Command } from 'commander';
import { vi } from 'vitest';

/** Runs one verb in this process as the command line would, and collects what it prints. */
export async function runVerb(
  register: (program: Command) => void,
  root: string,
  ...argv: readonly string[]
): Promise<{ stdout: string; stderr: string; status: number }> {
  const program = new Command('metactl').option('--root <dir>').option('--json').option('--debug').exitOverride();
  register(program);
  for (const command of program.commands) command.copyInheritedSettings(program);
  let stdout = '';
  let stderr = '';
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  // `print` writes past the streams.
  const { writeSync } = fs;
  const direct = vi.spyOn(fs, 'writeSync').mockImplementation(((fd: number, data: Buffer, ...more: []) => {
    if (fd === 1) stdout += data.toString();
    else if (fd === 2) stderr += data.toString();
    else return writeSync(fd, data, ...more);
    return data.length;
  }) as typeof writeSync);
  syncBuiltinESMExports();
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await program.parseAsync(['--root', root, ...argv], { from: 'user' });
    return { stdout, stderr, status: Number(process.exitCode) };
  } finally {
    process.exitCode = before;
    out.mockRestore();
    err.mockRestore();
    direct.mockRestore();
    syncBuiltinESMExports();
  }
}
