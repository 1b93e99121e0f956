// SPDX-License-Identifier: MIT
// Face detection dies, of a stack of this test's own: nothing starts it again.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { assertAccessible, launch, openPage, samples, screenshot, textOf, waitForStage } from './browser.mjs';
import { root, startStack } from './stack.mjs';

let browser;
let stack;

before(async () => {
  stack = await startStack();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await stack.stop();
});

test('When face detection is down the page says so, and shows what was made before', async (t) => {
  const page = await openPage(browser, t, { path: stack.base });
  await page.click('[data-name="Grace Hopper"]');
  await waitForStage(page, 'result');
  for (const pid of stack.pids('facebox')) process.kill(pid, 'SIGKILL');
  const path = join(root, 'build/screenshots/new.jpg');
  writeFileSync(path, Buffer.concat([readFileSync(join(samples, 'grace_hopper.jpg')), randomBytes(8)]));
  await page.setInputFiles('#file', path);
  await page.waitForSelector('#failure:not([hidden])');
  assert.match(await textOf(page, 'failure-title'), /^The service (could not finish this picture|is not available right now)$/);
  assert.ok(await page.locator('#again').isVisible());
  assert.match(await textOf(page, 'failure-detail'), /Reference: [0-9a-f]{32}/);
  await screenshot(page, 'light-outage');
  await assertAccessible(page, 'outage');
  await page.click('#recent button');
  await waitForStage(page, 'result');
});
