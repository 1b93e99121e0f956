// SPDX-License-Identifier: MIT
// Makes the README's pictures of the page, docs/images/page-*.jpg, from a stack of
// its own. JPEG, because they are photographs for the most part: as PNG they would be
// five times as large.
import { join } from 'node:path';

import { launch, openPage, waitForStage } from './browser.mjs';
import { root, startStack } from './stack.mjs';

const PICTURES = {
  'page-light': { viewport: { width: 1000, height: 860 } },
  'page-dark': { viewport: { width: 1000, height: 860 }, colorScheme: 'dark' },
  'page-phone': { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true },
};

const stack = await startStack();
const browser = await launch();
const ends = [];
try {
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
