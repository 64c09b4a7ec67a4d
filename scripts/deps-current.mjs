#!/usr/bin/env node
/**
 * Exits 0 if node_modules holds what package-lock.json asks for, else 1. `npm ls` needs a second for the same; setup
 * asks at every start. Optional packages of our packages (other platforms') may be absent, our own may not.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function packages(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

const wanted = packages('package-lock.json') ?? {};
const ours = Object.keys(wanted['']?.optionalDependencies ?? {}).map((name) => `node_modules/${name}`);
const installed = packages('node_modules/.package-lock.json');
const current =
  installed !== undefined &&
  Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    if (found !== undefined) return found.version === entry.version;
    return entry.optional === true && !ours.includes(path);
  });
process.exit(current ? 0 : 1);
