// SPDX-License-Identifier: MIT
// Makes the README's pictures of the page, docs/images/page-*.jpg, and of the admin page,
// docs/images/admin.png, from a stack of its own; two minutes, for the latter's charts. JPEG
// for what is photographs for the most part: as PNG they would be five times as large.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { launch, openPage, samples, waitForStage } from './browser.mjs';
import { TOKEN, root, startStack } from './stack.mjs';

const PICTURES = {
  'page-light': { viewport: { width: 1000, height: 860 } },
  'page-dark': { viewport: { width: 1000, height: 860 }, colorScheme: 'dark' },
  'page-phone': { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true },
};

const LOAD_SECONDS = 110;

const stack = await startStack({ PROFILE: 'on', PROFILE_TOKEN: TOKEN, PROFILE_RING: '19', API_PROCESSES: '4', DIRECT: 'off', LOCAL_CACHE_TTL: '3s' });
const browser = await launch();
const ends = [];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function post(body, type) {
  const answer = await fetch(`${stack.base}/api/`, { method: 'POST', headers: { 'Content-Type': type }, body });
  return answer.text();
}

// What a service sees: many ask for pictures, in waves, some bring new ones, a few err.
async function load(seconds) {
  const until = Date.now() + seconds * 1000;
  const picture = readFileSync(join(samples, 'two_portraits.jpg'));
  const key = await post(readFileSync(join(samples, 'grace_hopper.jpg')), 'image/jpeg');
  const readers = async () => {
    while (Date.now() < until) {
      await (await fetch(`${stack.base}/api/cache/${key}`)).arrayBuffer();
      await pause(12 + 10 * Math.sin(Date.now() / 9000));
    }
  };
  const painters = async () => {
    for (let i = 0; Date.now() < until; i++) {
      await post(Buffer.concat([picture, randomBytes(8)]), 'image/jpeg');
      if (i % 9 === 5) await post('not a URL', 'text/plain');
      await pause(600);
    }
  };
  await Promise.all([...Array(6).fill(readers), ...Array(3).fill(painters)].map((work) => work()));
}

async function pictureOfAdmin() {
  const done = load(LOAD_SECONDS);
  await pause((LOAD_SECONDS - 8) * 1000);
  const options = { viewport: { width: 1120, height: 900 }, deviceScaleFactor: 0.85 };
  const path = `http://any:${TOKEN}@${new URL(stack.base).host}/debug/`;
  const page = await openPage(browser, { after: (end) => ends.push(end) }, { path, ...options });
  await page.waitForSelector('#processes tr:nth-child(4)');
  await page.waitForTimeout(5000); // the processes' CPU time needs two answers
  const charts = await page.locator('#charts').boundingBox();
  const clip = { x: 0, y: 0, width: options.viewport.width, height: charts.y + charts.height + 14 };
  await page.screenshot({ path: join(root, 'docs/images/admin.png'), fullPage: true, clip });
  console.log('docs/images/admin.png');
  await done;
}

try {
  await pictureOfAdmin();
  for (const [name, options] of Object.entries(PICTURES)) {
    const page = await openPage(browser, { after: (end) => ends.push(end) }, { path: stack.base, ...options });
    await page.click('[data-name="Grace Hopper"]');
    await waitForStage(page, 'result');
    await page.evaluate(() => document.activeElement.blur());
    const card = await page.locator('.card').first().boundingBox();
    const clip = { x: 0, y: 0, width: options.viewport.width, height: card.y + card.height + 28 };
    await page.screenshot({ path: join(root, `docs/images/${name}.jpg`), type: 'jpeg', quality: 82, fullPage: true, clip });
    console.log(`docs/images/${name}.jpg`);
  }
} finally {
  for (const end of ends) await end();
  await browser.close();
  await stack.stop();
}
