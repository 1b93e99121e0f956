// SPDX-License-Identifier: MIT
// A picture's own server: what a stranger's URL leads to.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { samples } from './browser.mjs';

const hopper = readFileSync(join(samples, 'grace_hopper.jpg'));
const jpeg = { 'Content-Type': 'image/jpeg' };

// By path: [status, headers, body]. The query makes a picture a new one.
const ANSWERS = {
  '/picture.jpg': [200, jpeg, hopper],
  '/page.html': [200, { 'Content-Type': 'text/html' }, '<!DOCTYPE html><title>A page</title>'],
  '/broken.jpg': [200, jpeg, hopper.subarray(0, 400)],
  '/large.jpg': [200, jpeg, Buffer.concat([hopper, Buffer.alloc(11e6)])],
  '/failing.jpg': [500, {}, 'no'],
};

// { url(path), requests, stop() }; requests are those of browsers: { path, headers }.
// What is below /api-only/ is shown to the service, not to a browser.
export async function startOrigin() {
  const requests = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://origin');
    const isBrowser = (request.headers['user-agent'] || '').includes('Mozilla');
    if (isBrowser) requests.push({ path: request.url, headers: request.headers });
    const isHidden = pathname.startsWith('/api-only/') && isBrowser;
    const known = ANSWERS[pathname.replace('/api-only/', '/')];
    const [status, headers, body] = !known || isHidden ? [404, {}, 'nothing here'] : known;
    response.writeHead(status, headers).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: (path) => `http://127.0.0.1:${server.address().port}${path}`,
    requests,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
