// SPDX-License-Identifier: MIT
// The page on a web server of its own, away from the API, as docs/web.md tells how.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';

import { root } from './stack.mjs';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.jpg': 'image/jpeg' };

// { base, stop() }; `policy` is the Content-Security-Policy of every answer.
export async function startSite({ config, policy }) {
  const server = createServer((request, response) => {
    const name = request.url === '/' ? '/index.html' : request.url;
    const path = join(root, 'httpd-conf/htdocs', name);
    if (!existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': TYPES[extname(path)], 'Content-Security-Policy': policy });
    response.end(name === '/config.js' ? `export default ${JSON.stringify(config)};` : readFileSync(path));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    base: `http://127.0.0.1:${server.address().port}/`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
