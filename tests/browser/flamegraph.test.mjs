// SPDX-License-Identifier: MIT
// The flame graph page, opened as an operator does: http://user:token@host/.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { assertAccessible, base, launch, openPage, samples, screenshot, textOf } from './browser.mjs';
import { TOKEN } from './stack.mjs';

const PATH = '/debug/pprof/flamegraph?seconds=2';
const picture = readFileSync(join(samples, 'two_portraits.jpg'));
let browser;
let profile; // one page of a profile under load; the tests look at it in several ways

// Emojifies new pictures, bytes behind the end of one, until it is told to stop.
async function work(state) {
  while (!state.stop) {
    const answer = await fetch(`${base}/api/`, { method: 'POST', headers: { 'Content-Type': 'image/jpeg' }, body: Buffer.concat([picture, randomBytes(8)]) });
    await answer.arrayBuffer();
  }
}

async function takeProfile() {
  const answer = await fetch(base + PATH, { headers: { Authorization: `Bearer ${TOKEN}` } });
  return { status: answer.status, body: await answer.text(), policy: answer.headers.get('content-security-policy') };
}

// Whether something was sampled in the name of our route, and something else as well.
function canBeSplit(taken) {
  const [, data] = taken?.body.match(/id="data">(.*?)<\/script>/s) || [];
  const routes = new Set(data ? JSON.parse(data).groups.map(([, route]) => route) : []);
  return routes.size > 1 && routes.has('emojify');
}

before(async () => {
  browser = await launch();
  const state = { stop: false };
  const workers = [work(state), work(state)];
  try {
    // On a busy machine two seconds may see the drawing threads only.
    for (let i = 0; i < 5 && !canBeSplit(profile); i++) profile = await takeProfile();
  } finally {
    state.stop = true;
    await Promise.all(workers);
  }
});
after(() => browser.close());

// The very answer again, so that each test need not take a profile.
function openProfile(t, options = {}) {
  const setup = (page) => page.route('**/debug/pprof/flamegraph*', (route) => route.fulfill({
    status: 200, contentType: 'text/html; charset=utf-8', body: profile.body, headers: { 'Content-Security-Policy': profile.policy } }));
  return openPage(browser, t, { path: PATH, setup, ...options });
}

const focused = (page) => page.evaluate(() => document.activeElement.textContent);
const frames = (page) => page.locator('.frame').count();

test('The page opens by an address with the token in it, and not without', async (t) => {
  const { host } = new URL(base);
  const page = await openPage(browser, t, { path: `http://any:${TOKEN}@${host}/debug/pprof/flamegraph?seconds=1` });
  assert.match(await page.title(), /CPU profile of emojify-api/);
  assert.match(await textOf(page, 'facts'), /1 of 1 processes/);
  const refused = await fetch(base + PATH);
  assert.equal(refused.status, 401);
});

test('The flame graph is readable in both themes and on a phone', async (t) => {
  assert.equal(profile.status, 200);
  const phone = { viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true };
  for (const [name, options] of Object.entries({ light: {}, dark: { colorScheme: 'dark' }, phone })) {
    const page = await openProfile(t, options);
    assert.ok(await frames(page) > 5, 'there are frames');
    await screenshot(page, `flamegraph-${name}`);
    await assertAccessible(page, `flame graph, ${name}`);
    await page.fill('#search', 'vips|jpeg');
    await screenshot(page, `flamegraph-${name}-search`);
    await assertAccessible(page, `flame graph, ${name}, searched`);
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(inner <= outer, `${name}: ${inner} pixels in ${outer}`);
  }
});

test('A search marks frames, tells their share and narrows the table', async (t) => {
  const page = await openProfile(t);
  const rows = await page.locator('#rows tr').count();
  await page.keyboard.press('/');
  await page.keyboard.type('^start_thread$');
  assert.ok(await page.locator('.frame.match').count() > 0);
  assert.match(await textOf(page, 'matched'), /^\d+(\.\d+)? % matched$/);
  assert.equal(await page.locator('#rows tr').count(), 1);
  await page.keyboard.press('Escape');
  assert.equal(await page.inputValue('#search'), '');
  assert.equal(await page.locator('#rows tr').count(), rows);
  await page.fill('#search', '(['); // no regular expression: taken as it is
  assert.match(await textOf(page, 'matched'), /matched$/);
});

test('The graph is walked and zoomed by keys', async (t) => {
  const page = await openProfile(t);
  await page.focus('#graph [tabindex="0"]');
  assert.match(await focused(page), /^all: /);
  await page.keyboard.press('ArrowDown');
  let first = await focused(page);
  assert.doesNotMatch(first, /^all: /);
  assert.ok(await page.locator('#tip').isVisible(), 'what has the focus is told in full');
  await page.keyboard.press('ArrowDown');
  let second = await focused(page);
  while (second === first) { // a stack of one frame: to the one beside it
    await page.keyboard.press('ArrowRight');
    first = await focused(page);
    assert.notEqual(first, second, 'some stack has two frames');
    await page.keyboard.press('ArrowDown');
    second = await focused(page);
  }
  await page.keyboard.press('Enter');
  assert.equal(await focused(page), second, 'the focus stays on the frame');
  assert.ok(await page.locator('#reset').isEnabled());
  await page.locator('.frame.above').nth(1).waitFor();
  await assertAccessible(page, 'flame graph, zoomed');
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(page), first);
  await page.keyboard.press('Escape');
  assert.ok(await page.locator('#reset').isDisabled());
});

test('A click zooms, and the button goes back', async (t) => {
  const page = await openProfile(t);
  const whole = await frames(page);
  const deep = page.locator('.frame[aria-level="8"]').last();
  await deep.click();
  assert.ok(await frames(page) <= whole);
  assert.ok(await page.locator('#reset').isEnabled());
  await page.click('#reset');
  assert.equal(await frames(page), whole);
});

test('The graph can be turned round, and split by route', async (t) => {
  const page = await openProfile(t);
  await page.click('#by-callee');
  assert.equal(await page.getAttribute('#by-callee', 'aria-pressed'), 'true');
  assert.equal(await page.getAttribute('#by-caller', 'aria-pressed'), 'false');
  await page.click('#by-caller');
  await page.selectOption('#grouping', 'route');
  const groups = await page.locator('.frame[aria-level="2"]').allTextContents();
  assert.ok(groups.includes('emojify'), `routes: ${groups}`);
});

test('The table is sorted by its heads, and a function in it is found in the graph', async (t) => {
  const page = await openProfile(t);
  const sorted = () => page.locator('th[aria-sort]').innerText();
  assert.match(await sorted(), /^Self/);
  await page.click('th button:text("Total")');
  assert.match(await sorted(), /^Total/);
  const shares = (await page.locator('#rows tr').evaluateAll((rows) => rows.map((row) => row.cells[3].textContent))).map(Number.parseFloat);
  assert.deepEqual(shares, [...shares].sort((a, b) => b - a));
  const name = await page.locator('#rows tr .name button').first().innerText();
  await page.locator('#rows tr .name button').first().click();
  assert.match(await page.inputValue('#search'), /^\^.*\$$/);
  assert.ok((await page.locator('.frame.match').allTextContents()).includes(name));
});
