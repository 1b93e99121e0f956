// SPDX-License-Identifier: MIT
// The whole stack for the browser tests: httpd-conf/stack.sh on a free port. It is taken
// down by a process that waits for us to end, however we end, so that none is left behind.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const TOKEN = 'a-token-of-the-browser-tests';

const script = join(root, 'httpd-conf/stack.sh');

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function choosePort() {
  for (let i = 0; i < 100; i++) {
    const port = 18800 + (process.pid + i) % 100;
    if (await isFree(port)) return port;
  }
  throw new Error('no port from 18800 to 18899 is free');
}

// Starts it, with further settings; resolves to { base, pids(name), stop() }.
export async function startStack(settings = {}) {
  const port = String(await choosePort());
  // What an earlier run has left would be answered from the cache, without a step or a number of faces.
  const cache = join(root, 'build/run', `browser-tests-${port}`);
  rmSync(cache, { recursive: true, force: true });
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, BUILD: process.env.BUILD || 'build/release', PORT: port,
    FETCH_ALLOW_CIDR: '127.0.0.1/32', FETCH_ALLOW_PORTS: '1024-65535', START_SECONDS: '60',
    CACHE_FILE_LOCATION: cache, ...settings };
  const watchdog = spawn('sh', ['-c', `cat; exec '${script}' down`], { env, detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
  execFileSync(script, ['up'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    base: `http://127.0.0.1:${port}`,
    pids: (name) => execFileSync(script, ['pids'], { env, encoding: 'utf8' }).split('\n')
      .filter((line) => line.startsWith(`${name}=`)).map((line) => Number(line.slice(name.length + 1))),
    stop: async () => {
      watchdog.stdin.end();
      await once(watchdog, 'exit');
    },
  };
}
