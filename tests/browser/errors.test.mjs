// SPDX-License-Identifier: MIT
// What the page says when it does not go well: made to happen where that is easy,
// else with the answer that the API would give.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { answerWith, assertAccessible, launch, openPage, samples, screenshot, textOf, transfer, waitForStage } from './browser.mjs';
import { startOrigin } from './origin.mjs';
import { root } from './stack.mjs';

const REFERENCE = /Reference: [0-9a-f]{32}/;
let browser;
let origin;

before(async () => {
  browser = await launch();
  origin = await startOrigin();
});
after(async () => {
  await browser.close();
  origin.stop();
});

async function giveAddress(page, address) {
  await page.fill('#address', address);
  await page.press('#address', 'Enter');
  await waitForStage(page, 'failure');
}

function giveBytes(page, name, type, bytes) {
  const path = join(root, 'build/screenshots', name);
  writeFileSync(path, bytes);
  return transfer(page, 'drop', { file: { path, name, type } });
}

test('What is no address is explained, with the service\'s own words and a reference', async (t) => {
  const page = await openPage(browser, t);
  await giveAddress(page, 'hello');
  assert.equal(await textOf(page, 'failure-title'), 'This is not the address of a picture');
  assert.match(await textOf(page, 'failure-detail'), /hello is not a valid URL/);
  assert.match(await textOf(page, 'failure-detail'), REFERENCE);
  assert.ok(await page.locator('#again').isHidden(), 'trying the same again cannot help');
  await screenshot(page, 'light-failure');
  await assertAccessible(page, 'failure');
});

test('An empty field asks for a picture and sends nothing', async (t) => {
  const page = await openPage(browser, t);
  const posts = [];
  page.on('request', (request) => request.method() === 'POST' && posts.push(request.url()));
  await page.press('#address', 'Enter');
  await waitForStage(page, 'failure');
  assert.equal(await textOf(page, 'failure-title'), 'This is neither a picture nor its address');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'failure-title');
  assert.deepEqual(posts, []);
});

const ADDRESSES = [
  ['into a private network', () => 'http://10.0.0.1/picture.jpg', 'This address may not be fetched'],
  ['of something that is gone', () => origin.url('/gone.jpg'), 'The picture could not be fetched'],
  ['of a page', () => origin.url('/page.html'), 'This is not a picture of a kind that is taken here'],
  ['of a damaged picture', () => origin.url('/broken.jpg'), 'This picture cannot be used'],
  ['of too large a picture', () => origin.url('/large.jpg'), 'The picture is too large'],
  ['on a server that fails', () => origin.url('/failing.jpg'), 'The picture’s own server did not answer properly'],
];

for (const [what, address, title] of ADDRESSES) {
  test(`An address ${what} is explained`, async (t) => {
    const page = await openPage(browser, t);
    await giveAddress(page, address());
    assert.equal(await textOf(page, 'failure-title'), title);
    assert.match(await textOf(page, 'failure-detail'), REFERENCE);
  });
}

test('A file that is no picture is refused, by its type or by the service', async (t) => {
  const page = await openPage(browser, t);
  await giveBytes(page, 'notes.txt', 'text/plain', 'notes');
  await waitForStage(page, 'failure');
  assert.equal(await textOf(page, 'failure-title'), 'This is not a picture of a kind that is taken here');
  assert.equal(await textOf(page, 'failure-detail'), '');
  await giveBytes(page, 'notes.jpg', 'image/jpeg', 'notes');
  await page.waitForFunction(() => /Reference/.test(document.getElementById('failure-detail').textContent));
  assert.equal(await textOf(page, 'failure-title'), 'This is not a picture of a kind that is taken here');
});

test('A file above 10 MB is not sent at all', async (t) => {
  const page = await openPage(browser, t);
  await giveBytes(page, 'large.jpg', 'image/jpeg', Buffer.alloc(10000001));
  await waitForStage(page, 'failure');
  assert.equal(await textOf(page, 'failure-title'), 'The picture is too large');
  assert.match(await textOf(page, 'failure-detail'), /10\.0 MB/);
});

test('Every code of the API has a text and an advice of its own', async (t) => {
  const page = await openPage(browser, t);
  const texts = new Set();
  const own = ['network', 'timeout', 'job-lost', 'unreadable', 'no-picture', 'sample-missing', 'policy'];
  const codes = await page.evaluate(async () => (await import('/js/errors.js')).codes);
  for (const code of codes.filter((each) => !own.includes(each))) {
    await answerWith(page, '**/api/emojify/', 500, { code, detail: 'in its own words', request_id: 'abc' });
    await giveAddress(page, `http://example.org/${code}`);
    await page.waitForFunction((last) => document.getElementById('failure').innerText !== last, [...texts].at(-1));
    const text = await textOf(page, 'failure');
    assert.ok((await textOf(page, 'failure-title')).length > 10 && (await textOf(page, 'failure-advice')).length > 10, code);
    assert.equal(texts.has(text), false, `${code} is told as another one is`);
    texts.add(text);
  }
});

test('A queue that is full is waited for, and trying again works', async (t) => {
  const page = await openPage(browser, t);
  await answerWith(page, '**/api/emojify/', 429, { code: 'busy' }, { 'Retry-After': '2' });
  await page.setInputFiles('#file', join(samples, 'grace_hopper.jpg'));
  await waitForStage(page, 'failure');
  assert.match(await textOf(page, 'failure-detail'), /wait 2 s/);
  await page.click('#again');
  await waitForStage(page, 'result');
});

test('An answer of a server in between is told by its status', async (t) => {
  const page = await openPage(browser, t);
  await answerWith(page, '**/api/emojify/', 413, '<h1>413</h1>');
  await giveAddress(page, 'http://example.org/a');
  assert.equal(await textOf(page, 'failure-title'), 'The picture is too large');
  await answerWith(page, '**/api/emojify/', 200, '<h1>Welcome to the hotel’s network</h1>');
  await giveAddress(page, 'http://example.org/b');
  await page.waitForFunction(() => document.getElementById('failure-title').textContent === 'The answer was not understood');
});

test('A job that the service has forgotten is told as that', async (t) => {
  const page = await openPage(browser, t);
  await answerWith(page, '**/api/emojify/', 202, { id: 'a', status: 'QUEUED', length: 3, position: 3 });
  await page.route('**/api/emojify/a', (route) => route.fulfill({ json: { id: 'a', status: 'UNKNOWN' } }));
  await page.fill('#address', 'http://example.org/c');
  await page.press('#address', 'Enter');
  await page.waitForFunction(() => document.getElementById('work-note').textContent === 'Number 3 in the queue.'
    || !document.getElementById('failure').hidden);
  await waitForStage(page, 'failure');
  assert.equal(await textOf(page, 'failure-title'), 'The service has forgotten this picture');
});

test('Without a network the page says so, and goes on when it is back', async (t) => {
  const page = await openPage(browser, t);
  await page.context().setOffline(true);
  await page.setInputFiles('#file', join(samples, 'grace_hopper.jpg'));
  await waitForStage(page, 'failure');
  assert.equal(await textOf(page, 'failure-title'), 'The service cannot be reached');
  await page.context().setOffline(false);
  await page.click('#again');
  await waitForStage(page, 'result');
});
