#!/usr/bin/env node
'use strict';
// Only this much before the bundle: the start of Node is most of what `metactl ip` costs.
require('../dist/main.cjs').main(process.argv.slice(2));
