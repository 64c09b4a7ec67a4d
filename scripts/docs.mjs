#!/usr/bin/env node
/**
 * Writes docs/configuration.md from the schema and the platforms. A unit test says when it is out of date.
 *
 * Usage: docs.mjs
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Node 20 can't load TypeScript: the two modules are bundled into one text, which is loaded from memory. */
const { outputFiles } = await build({
  absWorkingDir: root,
  stdin: {
    contents: `export { configurationDocs } from './src/config/docs.ts'; export { platforms } from './src/platform/index.ts';`,
    resolveDir: root,
    loader: 'ts',
  },
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
  logLevel: 'warning',
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { configurationDocs, platforms } = await import(`data:text/javascript;base64,${code}`);

mkdirSync(join(root, 'docs'), { recursive: true });
writeFileSync(join(root, 'docs/configuration.md'), configurationDocs(platforms));
