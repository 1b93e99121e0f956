// SPDX-License-Identifier: MIT
// The admin page, opened as an operator does: http://user:token@host/debug/.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { assertAccessible, base, launch, openPage, samples, screenshot, textOf } from './browser.mjs';
import { TOKEN } from './stack.mjs';

const picture = readFileSync(join(samples, 'two_portraits.jpg'));
const address = `http://any:${TOKEN}@${new URL(base).host}/debug/`;
const PHONE = { viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true };
let browser;

before(async () => { browser = await launch(); });
after(() => browser.close());

const open = async (t, options = {}) => {
  const page = await openPage(browser, t, { path: address, ...options });
  await page.waitForFunction(() => document.querySelectorAll('.legend tbody tr').length > 0);
  return page;
};

// Work of several kinds until it is told to stop.
async function work(state) {
  while (!state.stop) {
    const body = Buffer.concat([picture, randomBytes(8)]);
    for (const [path, options] of [['', { method: 'POST', headers: { 'Content-Type': 'image/jpeg' }, body }], ['cache/nothing-of-that-name'], ['health']]) {
      const answer = await fetch(`${base}/api/${path}`, options);
      await answer.arrayBuffer();
    }
  }
}

function underLoad(t) {
  const state = { stop: false };
  const done = work(state);
  t.after(() => {
    state.stop = true;
    return done;
  });
}

const chart = (page, title) => page.locator(`.chart[aria-label="${title}"]`);
const words = (page, title) => chart(page, title).locator('.plot').getAttribute('aria-label');

// Waits until the legend of a chart has a line like that.
async function waitForLegend(page, title, pattern) {
  await page.waitForFunction(({ title, source }) => {
    const legend = document.querySelector(`.chart[aria-label="${title}"] .legend`);
    return [...legend.rows].some((row) => new RegExp(source).test([...row.cells].map((cell) => cell.textContent).join(' ')));
  }, { title, source: pattern.source });
}

const questions = (page) => {
  const seen = [];
  page.on('request', (request) => seen.push(request.url()));
  return seen;
};

test('Nobody comes in without the token', async () => {
  for (const path of ['/debug/', '/debug/status']) {
    for (const headers of [{}, { Authorization: 'Bearer not-the-token-of-anybody' }]) {
      const refused = await fetch(base + path, { headers });
      assert.equal(refused.status, 401, path);
      assert.match(refused.headers.get('www-authenticate'), /Basic/);
      assert.doesNotMatch(await refused.text(), /script|series/);
    }
  }
});

test('The charts follow the load', async (t) => {
  const page = await open(t);
  underLoad(t);
  await waitForLegend(page, 'Requests', /^emojify (0\.)?[1-9]/);
  await waitForLegend(page, 'Requests', /^health (0\.)?[1-9]/);
  await waitForLegend(page, 'CPU', /^emojify-api, all processes [\d.]+ %/);
  await waitForLegend(page, 'CPU', /^cache service [\d.]+ %/);
  await waitForLegend(page, 'CPU of a request', /^emojify [\d.]+ ms/);
  await waitForLegend(page, 'Errors', /^the client’s, 4xx (0\.)?[1-9]/);
  await waitForLegend(page, 'Latency', /^p99 .*s/);
  assert.ok(await chart(page, 'Requests').locator('path.line').count() >= 2, 'lines are drawn');
  assert.match(await words(page, 'Requests'), /^Requests, now: .*emojify [\d.]+, least [\d.]+, most [\d.]+/);
  const before = await words(page, 'CPU');
  await page.waitForFunction((old) => document.querySelector('.chart[aria-label="CPU"] .plot').getAttribute('aria-label') !== old, before);
  const routes = await page.locator('#routes th').allTextContents();
  assert.ok(routes.includes('emojify') && routes.includes('cache'), `routes: ${routes}`);
  assert.ok(!routes.some((name) => /admin|pprof|log/.test(name)), `routes: ${routes}`);
  assert.equal(await page.locator('#processes tr').count(), 1);
  assert.match(await textOf(page, 'link'), /live/);
});

test('The page asks nobody but the service, in both themes and on a phone, and can be read by all', async (t) => {
  underLoad(t);
  for (const [name, options] of Object.entries({ light: {}, dark: { colorScheme: 'dark' }, phone: PHONE })) {
    let seen = [];
    const page = await open(t, { ...options, setup: (fresh) => { seen = questions(fresh); } });
    await waitForLegend(page, 'Requests', /^emojify/);
    await page.waitForFunction(() => document.querySelectorAll('#processes tr').length > 0);
    await screenshot(page, `admin-${name}`);
    await assertAccessible(page, `admin page, ${name}`);
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(inner <= outer, `${name}: ${inner} pixels in ${outer}`);
    const { host } = new URL(base);
    assert.deepEqual(seen.filter((url) => !url.startsWith('data:') && new URL(url).host !== host), []);
  }
});

test('A moment of a chart is looked at by keys', async (t) => {
  const page = await open(t);
  await page.waitForFunction(() => !/no numbers/.test(document.querySelector('.plot').getAttribute('aria-label')));
  await chart(page, 'CPU').locator('.plot').focus();
  await page.keyboard.press('ArrowLeft');
  assert.match(await words(page, 'CPU'), /^CPU, \d\d:\d\d:\d\d: emojify-api/);
  assert.equal(await chart(page, 'CPU').locator('.cursor').count(), 1);
  await page.keyboard.press('Home');
  assert.match(await chart(page, 'CPU').locator('.legend thead').innerText(), /\d\d:\d\d:\d\d/);
  await page.keyboard.press('Escape');
  assert.match(await words(page, 'CPU'), /^CPU, now: /);
  assert.equal(await chart(page, 'CPU').locator('.cursor').count(), 0);
});

test('Sampling is switched on for a while, counts down, and is switched off', async (t) => {
  const page = await open(t);
  await page.waitForSelector('#sampling-switch:enabled');
  assert.match(await textOf(page, 'sampling'), /^Off/);
  await page.selectOption('#sampling-for', '60');
  await page.focus('#sampling-switch');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /^On, ends in \d+ s, 1 of 1/.test(document.getElementById('sampling').textContent));
  const left = async () => Number((await textOf(page, 'sampling')).match(/ends in (\d+) s/)[1]);
  const first = await left();
  assert.ok(first > 50 && first <= 60, `${first} s`);
  await page.waitForFunction((then) => Number(document.getElementById('sampling').textContent.match(/ends in (\d+) s/)[1]) < then, first);
  assert.equal(await page.getAttribute('#sampling-switch', 'aria-pressed'), 'true');
  await assertAccessible(page, 'admin page, sampling');
  const answer = await fetch(`${base}/debug/pprof/sampling`, { headers: { Authorization: `Bearer ${TOKEN}` } });
  assert.ok((await answer.json()).processes[0].toggle);
  await page.click('#sampling-switch');
  await page.waitForFunction(() => /^Off/.test(document.getElementById('sampling').textContent));
  assert.equal(await page.getAttribute('#sampling-switch', 'aria-pressed'), 'false');
});

test('The log level is changed for a while, and goes back', async (t) => {
  const page = await open(t);
  await page.waitForFunction(() => /as LOG_LEVEL says/.test(document.getElementById('log').textContent));
  await page.selectOption('#log-level', 'warn');
  await page.selectOption('#log-for', '60');
  await page.click('#log-set');
  await page.waitForFunction(() => /^warn, for \d+ s, then info/.test(document.getElementById('log').textContent));
  await fetch(`${base}/debug/log?level=info&for=1`, { method: 'POST', headers: { Authorization: `Bearer ${TOKEN}` } });
});

test('A profile opens as a flame graph in a window of its own', async (t) => {
  const page = await open(t);
  underLoad(t);
  const [window] = await Promise.all([page.waitForEvent('popup'), page.click('#profile')]);
  await window.waitForSelector('.frame', { timeout: 30000 });
  assert.match(await window.title(), /CPU profile of emojify-api/);
  assert.match(window.url(), /flamegraph\?seconds=5$/);
});

test('A profile is kept and listed', async (t) => {
  const page = await open(t);
  await page.waitForSelector('#saved li');
  await page.click('#save');
  await page.waitForSelector('#saved a', { timeout: 30000 });
  const name = await page.locator('#saved a').first().innerText();
  assert.match(name, /asked.*\.pb\.gz$/);
  assert.ok(await page.locator('#save').isEnabled());
  const [window] = await Promise.all([page.waitForEvent('popup'), page.locator('#saved a').first().click()]);
  await window.waitForLoadState();
  assert.ok((await window.title()).includes(name), await window.title());
});

test('Two profiles cannot be compared without a ring, and the page says so', async (t) => {
  const page = await open(t);
  await page.waitForSelector('#compare-hint:not([hidden])');
  assert.match(await textOf(page, 'compare-hint'), /PROFILE_RING/);
  assert.ok(await page.locator('#compare').isHidden());
});

test('What is compared follows what is chosen', async (t) => {
  const ring = async (page) => page.route('**/debug/status*', async (route) => {
    const answer = await route.fetch({ headers: { ...route.request().headers(), authorization: `Bearer ${TOKEN}` } });
    const status = await answer.json();
    status.profile.ring_hz = 19;
    await route.fulfill({ response: answer, json: status });
  });
  const page = await open(t, { setup: ring });
  await page.waitForSelector('#compare[href]');
  await page.selectOption('#seconds', '10');
  await page.selectOption('#base', '300');
  assert.equal(await page.getAttribute('#compare', 'href'), 'pprof/flamegraph?seconds=10&base=300');
  assert.equal(await page.getAttribute('#profile', 'href'), 'pprof/flamegraph?seconds=10');
  assert.equal((await textOf(page, 'profile')).replace(/\s+/g, ' '), 'Profile 10 s');
  assert.ok(await page.locator('#compare-hint').isHidden());
});

test('When the service is away the page says so and goes on when it is back', async (t) => {
  const page = await open(t);
  await page.route('**/debug/status*', (route) => route.abort());
  await page.waitForSelector('#link.lost');
  assert.match(await textOf(page, 'link'), /no answer/);
  await assertAccessible(page, 'admin page, no answer');
  await page.unroute('**/debug/status*');
  await page.waitForFunction(() => document.getElementById('link').textContent === 'live');
});

test('A switch that fails tells why', async (t) => {
  const page = await open(t);
  await page.waitForSelector('#sampling-switch:enabled');
  await page.route('**/debug/pprof/sampling', (route) => route.fulfill({ status: 503, contentType: 'text/plain', body: 'no profiling timer\n' }));
  await page.click('#sampling-switch');
  await page.waitForSelector('#problem:not([hidden])');
  assert.equal(await textOf(page, 'problem'), 'Sampling could not be switched: no profiling timer');
  await assertAccessible(page, 'admin page, a failure');
});

test('Nobody is asked while nobody looks', async (t) => {
  const page = await open(t);
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away === true });
    window.away = true;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.waitForTimeout(2500); // what was under way ends
  const seen = questions(page);
  await page.waitForTimeout(5000); // two questions' time
  assert.deepEqual(seen, []);
  await page.evaluate(() => {
    window.away = false;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.waitForRequest(/\/debug\/status/);
});
