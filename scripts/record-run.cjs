'use strict';
/**
 * Preloaded into `metactl run` (`node -r`), writes the names of our functions that were called until the first daemon was
 * cloned to the file that METACTL_RECORD names, one a line. `run-functions.txt` is such a list: `code-cache.mjs` compiles these.
 */
const { writeFileSync } = require('node:fs');
const { Session } = require('node:inspector');

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

function write() {
  session.post('Profiler.takePreciseCoverage', (error, coverage) => {
    if (error) throw new Error(error.message);
    const called = coverage.result
      .filter(({ url }) => url.endsWith('.pack'))
      .flatMap(({ functions }) => functions)
      .filter(({ functionName, ranges }) => functionName !== '' && ranges[0].count > 0)
      // As esbuild numbers names that it meets twice.
      .map(({ functionName }) => functionName.replace(/(?<=\D)\d+$/, ''));
    writeFileSync(process.env.METACTL_RECORD, `${[...new Set(called)].sort().join('\n')}\n`);
  });
  session.disconnect();
}

const { dlopen } = process;
process.dlopen = (module, ...rest) => {
  dlopen.call(process, module, ...rest);
  const { spawn } = module.exports;
  if (spawn === undefined) return;
  module.exports.spawn = (options) => {
    const spawned = spawn(options);
    module.exports.spawn = spawn;
    write();
    return spawned;
  };
};
