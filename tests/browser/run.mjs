#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The browser tests as one program for tests/run.sh: starts a stack, runs every
// *.test.mjs (or those named) against it, and stops it. Ends with 77, and says why, where the tests
// cannot be run.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { TOKEN, startStack } from './stack.mjs';

const SKIPPED = 77;
const here = dirname(fileURLToPath(import.meta.url));

function skip(why) {
  console.log(`skipped: ${why}`);
  process.exit(SKIPPED);
}

if (!existsSync(process.env.CHROMIUM || '/usr/bin/chromium')) skip('there is no chromium; make deps-test installs it');
if (!existsSync(join(here, 'node_modules/playwright-core'))) skip('the packages from npm are missing; make deps-test gets them');

const all = readdirSync(here).filter((name) => name.endsWith('.test.mjs')).sort();
const names = process.argv.length > 2 ? process.argv.slice(2) : all;

const stack = await startStack({ PROFILE: 'on', PROFILE_TOKEN: TOKEN });
const tests = spawn(process.execPath, ['--test', '--test-concurrency=1', `--test-reporter=${join(here, 'reporter.mjs')}`,
  '--test-reporter-destination=stdout', ...names.map((name) => join(here, name))],
{ stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, BASE: stack.base } });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tests.kill(signal));
const [status] = await once(tests, 'exit');
await stack.stop();
process.exitCode = status ?? 1;
