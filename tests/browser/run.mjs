// SPDX-License-Identifier: MIT
// Starts a stack, runs every *.test.mjs (or those named) against it, and stops it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { TOKEN, startStack } from './stack.mjs';

const TEST_MS = 300 * 1000; // a file of tests; none takes a fifth of it
const here = dirname(fileURLToPath(import.meta.url));
const all = readdirSync(here).filter((name) => name.endsWith('.test.mjs')).sort();
const names = process.argv.length > 2 ? process.argv.slice(2) : all;

const stack = await startStack({ PROFILE: 'on', PROFILE_TOKEN: TOKEN });
const tests = spawn(process.execPath, ['--test', '--test-concurrency=1', `--test-timeout=${TEST_MS}`, `--test-reporter=${join(here, 'reporter.mjs')}`,
  '--test-reporter-destination=stdout', ...names.map((name) => join(here, name))],
{ stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, BASE: stack.base } });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tests.kill(signal));
const [status] = await once(tests, 'exit');
await stack.stop();
process.exitCode = status ?? 1;
