// SPDX-License-Identifier: MIT
// The web page: from each way to give a picture to the picture with emoji.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { answerWith, assertAccessible, base, launch, openPage, pictures, samples, screenshot, textOf, transfer, waitForStage, withConfig } from './browser.mjs';
import { startOrigin } from './origin.mjs';
import { startSite } from './site.mjs';

const hopper = { path: join(samples, 'grace_hopper.jpg'), name: 'hopper.jpg', type: 'image/jpeg' };
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

const clickSample = (page, name) => page.click(`[data-name="${name}"]`);

// Collects what a screen reader is told.
const listen = (page) => page.evaluate(() => {
  window.said = [];
  const status = document.getElementById('status');
  new MutationObserver(() => window.said.push(status.textContent)).observe(status, { childList: true });
});

test('One click on a sample leads from the fresh page to the picture with emoji', async (t) => {
  const page = await openPage(browser, t);
  await screenshot(page, 'light-idle');
  await assertAccessible(page, 'idle');
  await listen(page);
  let polls = 0; // the work itself may be over before the page asks how far it is
  await page.route('**/api/emojify/*', (route) => (route.request().method() === 'GET' && polls++ === 0
    ? route.fulfill({ json: { id: '0', length: 1, position: 0, status: 'PROCESSING', step: 'detect', error: null, key: null } })
    : route.continue()));
  await clickSample(page, 'Two portraits');
  await waitForStage(page, 'result');
  assert.match(await textOf(page, 'result-title'), /^2 faces covered$/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'result-title');
  const said = await page.evaluate(() => window.said);
  assert.ok(said.some((text) => /Finding faces/.test(text)), `a step is said: ${said}`);
  assert.match(said.at(-1), /2 faces covered/);
  const sizes = await page.evaluate(() => ['before', 'after'].map((id) => document.getElementById(id).naturalWidth));
  assert.deepEqual(sizes, [1000, 1000]);
  await screenshot(page, 'light-result');
  await assertAccessible(page, 'result');
});

test('An address that is pasted starts at once, and its server is told no referrer', async (t) => {
  const page = await openPage(browser, t);
  const url = origin.url('/picture.jpg?pasted');
  await page.focus('#address');
  await transfer(page, 'paste', { texts: { 'text/plain': ` ${url}\n` } });
  await waitForStage(page, 'result');
  assert.equal(await textOf(page, 'result-title'), 'One face covered');
  assert.equal(await page.inputValue('#address'), url);
  const [request] = origin.requests.filter(({ path }) => path === '/picture.jpg?pasted');
  assert.ok(request, 'the original is shown from its own server');
  assert.equal(request.headers.referer, undefined);
});

test('Pasted text that is no address starts nothing', async (t) => {
  const page = await openPage(browser, t);
  await transfer(page, 'paste', { texts: { 'text/plain': 'hello there' } });
  assert.ok(await page.locator('#idle').isVisible());
});

test('A picture in the clipboard is emojified', async (t) => {
  const page = await openPage(browser, t);
  await transfer(page, 'paste', { file: hopper });
  await waitForStage(page, 'result');
});

test('A dropped picture is emojified', async (t) => {
  const page = await openPage(browser, t);
  await transfer(page, 'drop', { file: hopper });
  assert.ok(await page.locator('#drop').isHidden());
  await waitForStage(page, 'result');
  assert.match(await page.getAttribute('#before', 'src'), /^blob:/);
});

test('A picture dragged from another page comes by its address', async (t) => {
  const page = await openPage(browser, t);
  await transfer(page, 'drop', { texts: { 'text/uri-list': `# from somewhere\n${origin.url('/picture.jpg?dragged')}` } });
  await waitForStage(page, 'result');
});

test('A chosen file is emojified, and can be chosen again', async (t) => {
  const page = await openPage(browser, t);
  for (let i = 0; i < 2; i++) {
    await page.setInputFiles('#file', hopper.path);
    await waitForStage(page, 'result');
  }
});

test('The slider shows more of the original when it is dragged or moved by keys', async (t) => {
  const page = await openPage(browser, t);
  await clickSample(page, 'Grace Hopper');
  await waitForStage(page, 'result');
  const clip = () => page.evaluate(() => getComputedStyle(document.getElementById('before')).clipPath);
  const box = await page.locator('#split').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 20);
  await page.mouse.up();
  const dragged = Number(await page.inputValue('#split'));
  assert.ok(dragged > 80, `dragged to ${dragged}`);
  const before = await clip();
  await page.focus('#split');
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.inputValue('#split'), '1');
  assert.equal(await page.getAttribute('#split', 'aria-valuetext'), '1 % original, 99 % with emoji');
  assert.notEqual(await clip(), before);
});

test('Everything can be done with the keyboard alone', async (t) => {
  const page = await openPage(browser, t);
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.dataset.name);
  const tabTo = async (id) => {
    for (let i = 0; i < 20 && await focused() !== id; i++) await page.keyboard.press('Tab');
    assert.equal(await focused(), id);
  };
  await tabTo('address');
  await page.keyboard.type(origin.url('/picture.jpg?typed'));
  await page.keyboard.press('Enter');
  await waitForStage(page, 'result');
  await tabTo('split');
  await page.keyboard.press('End');
  assert.equal(await page.inputValue('#split'), '100');
  await tabTo('download');
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  assert.ok(statSync(await download.path()).size > 10000);
  await tabTo('Snapshots');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.getElementById('recent').children.length === 2);
  assert.match(await textOf(page, 'result-title'), /^5 faces covered$/);
});

test('The link of the result is copied, and is the picture', async (t) => {
  const page = await openPage(browser, t, { permissions: ['clipboard-read', 'clipboard-write'] });
  await clickSample(page, 'Grace Hopper');
  await waitForStage(page, 'result');
  await page.click('#copy');
  await page.waitForFunction(() => document.getElementById('copy').textContent === 'Copied');
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const answer = await page.request.get(link);
  assert.equal(answer.headers()['content-type'], 'image/jpeg');
});

test('Without a clipboard the link is shown, selected', async (t) => {
  const setup = (page) => page.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  const page = await openPage(browser, t, { setup });
  await clickSample(page, 'Grace Hopper');
  await waitForStage(page, 'result');
  await page.click('#copy');
  assert.match(await page.evaluate(() => getSelection().toString() || document.activeElement.value), /\/api\/cache\/[0-9a-f]{32}$/);
});

test('The last pictures outlive a reload, are shown again and can be forgotten', async (t) => {
  const page = await openPage(browser, t);
  await clickSample(page, 'Grace Hopper');
  await waitForStage(page, 'result');
  await page.reload();
  assert.equal(await page.locator('#recent li').count(), 1);
  await page.click('#recent button');
  await waitForStage(page, 'result');
  assert.ok(await page.locator('#split').isHidden(), 'the original of a file is not kept');
  await assertAccessible(page, 'a result without its original');
  await page.click('#forget');
  assert.ok(await page.locator('#recent-section').isHidden());
  assert.equal(await page.evaluate(() => localStorage.length), 0);
});

test('A picture without a face is handed back and said to have none', async (t) => {
  const page = await openPage(browser, t);
  await page.setInputFiles('#file', join(pictures, 'coffee.png'));
  await waitForStage(page, 'result');
  const title = await textOf(page, 'result-title');
  assert.ok(['No face was found', 'Your picture is ready'].includes(title), title);
  if (title === 'No face was found') await screenshot(page, 'light-no-face');
});

test('An original that its server does not show leaves the result alone', async (t) => {
  const page = await openPage(browser, t);
  await page.fill('#address', origin.url('/api-only/picture.jpg'));
  await page.click('text=Emojify >> nth=0');
  await page.press('#address', 'Enter');
  await waitForStage(page, 'result');
  assert.match(await textOf(page, 'result-note'), /original cannot be shown/);
  assert.ok(await page.locator('#split').isHidden());
});

test('A server without background jobs is asked to do it at once', async (t) => {
  const page = await openPage(browser, t);
  await answerWith(page, '**/api/emojify/', 501, { code: 'not-implemented' });
  const seen = [];
  page.on('request', (request) => request.method() === 'POST' && seen.push(new URL(request.url()).pathname));
  await clickSample(page, 'Snapshots');
  await waitForStage(page, 'result');
  await clickSample(page, 'Grace Hopper');
  await page.waitForFunction(() => document.getElementById('recent').children.length === 2);
  assert.deepEqual(seen, ['/api/emojify/', '/api/', '/api/'], 'the answer 501 is remembered');
});

test('Work can be cancelled, and its late answer changes nothing', async (t) => {
  const page = await openPage(browser, t);
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await page.route('**/api/emojify/', async (route) => {
    await held;
    await route.continue().catch(() => {}); // it was aborted meanwhile
  });
  await clickSample(page, 'Grace Hopper');
  await waitForStage(page, 'work');
  await page.locator('#preview').waitFor();
  await screenshot(page, 'light-work');
  await assertAccessible(page, 'work');
  await page.click('#cancel');
  assert.ok(await page.locator('#idle').isVisible());
  assert.equal(await page.evaluate(() => document.activeElement.id), 'address');
  release();
  await page.waitForTimeout(200);
  assert.ok(await page.locator('#idle').isVisible());
});

test('A picture that is given while another one is shown or worked on takes its place', async (t) => {
  const page = await openPage(browser, t);
  await page.evaluate(() => {
    for (const name of ['Grace Hopper', 'Snapshots', 'Two portraits']) document.querySelector(`[data-name="${name}"]`).click();
  });
  await waitForStage(page, 'result');
  await page.waitForFunction(() => document.getElementById('recent').children.length > 0);
  const shown = await page.evaluate(() => [document.getElementById('after').src, document.getElementById('link').value]);
  assert.equal(shown[0], shown[1], 'picture and link are of the same one');
  await page.click('[data-name="Grace Hopper"]');
  await page.click('[data-name="Two portraits"]');
  await page.waitForFunction(() => document.getElementById('after').naturalWidth === 1000 && !document.getElementById('result').hidden);
});

test('Where a token is needed the page asks for it and sends it', async (t) => {
  const page = await openPage(browser, t);
  await answerWith(page, '**/api/emojify/', 401, { code: 'unauthorized', detail: 'No auth header' });
  await clickSample(page, 'Grace Hopper');
  await waitForStage(page, 'failure');
  assert.equal(await textOf(page, 'failure-title'), 'A valid access token is needed');
  await screenshot(page, 'light-token');
  await assertAccessible(page, 'asking for a token');
  await page.fill('#token', ' abc.def.ghi ');
  const [request] = await Promise.all([page.waitForRequest('**/api/emojify/'), page.click('#again')]);
  assert.equal(request.headers().authorization, 'jwt abc.def.ghi');
  await waitForStage(page, 'result');
  await page.reload();
  assert.equal(await page.inputValue('#token'), 'abc.def.ghi');
});

test('With AUTH set the token is sent, or asked for from the start', async (t) => {
  const given = await openPage(browser, t, { setup: withConfig({ AUTH: 'given.token' }) });
  const [request] = await Promise.all([given.waitForRequest('**/api/emojify/'), clickSample(given, 'Grace Hopper')]);
  assert.equal(request.headers().authorization, 'jwt given.token');
  const asked = await openPage(browser, t, { setup: withConfig({ AUTH: 'ask' }) });
  assert.ok(await asked.locator('#token').isVisible());
});

test('A card can be paid with only where PAYMENT_URL is set', async (t) => {
  const without = await openPage(browser, t);
  assert.ok(await without.locator('#payment').isHidden());
  const page = await openPage(browser, t, { setup: withConfig({ PAYMENT_URL: '/api/payments' }) });
  const card = { name: 'A. Person', number: '4242 4242 4242 4242', expiry: '12/39', cvc: '123' };
  for (const [name, value] of Object.entries(card)) await page.fill(`[name=${name}]`, value);
  await assertAccessible(page, 'the payment form');
  await page.click('#payment-form button');
  await page.waitForFunction(() => document.getElementById('payment-answer').textContent === 'Payments are not set up here.');
  await answerWith(page, '**/api/payments', 400, { code: 'bad-request', detail: 'the card has expired' });
  await page.click('#payment-form button');
  await page.waitForFunction(() => /not accepted: the card has expired/.test(document.getElementById('payment-answer').textContent));
  await page.route('**/api/payments', (route) => route.fulfill({ status: 204 }));
  const [request] = await Promise.all([page.waitForRequest('**/api/payments'), page.click('#payment-form button')]);
  assert.deepEqual(request.postDataJSON(), card);
  await page.waitForFunction(() => /was taken/.test(document.getElementById('payment-answer').textContent));
  assert.equal(await page.inputValue('[name=number]'), '');
});

test('The page works in the dark, on a phone and for who wants less motion', async (t) => {
  const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
  for (const [name, options] of Object.entries({ dark: { colorScheme: 'dark' }, phone, 'phone-dark': { ...phone, colorScheme: 'dark' } })) {
    const page = await openPage(browser, t, options);
    await screenshot(page, `${name}-idle`);
    await assertAccessible(page, `${name}, idle`);
    await clickSample(page, 'Grace Hopper');
    await waitForStage(page, 'result');
    await screenshot(page, `${name}-result`);
    await assertAccessible(page, `${name}, result`);
    await page.fill('#address', 'nonsense');
    await page.press('#address', 'Enter');
    await waitForStage(page, 'failure');
    await screenshot(page, `${name}-failure`);
    await assertAccessible(page, `${name}, failure`);
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(inner <= outer, `${name}: ${inner} pixels in ${outer}`);
    const running = await page.evaluate(() => document.getAnimations().length);
    assert.equal(running, 0, `${name}: animations`);
  }
});

test('The policy lets no script run but the page\'s own, and the page goes into no frame', async (t) => {
  const page = await openPage(browser, t, { allowed: /Content Security Policy|requires 'Trusted|Failed to load/ });
  const ran = await page.evaluate(() => {
    const script = document.createElement('script');
    try {
      script.text = 'window.ran = true';
      document.head.append(script);
    } catch { /* trusted types */ }
    return window.ran === true;
  });
  assert.equal(ran, false);
  await assert.rejects(page.evaluate(() => { document.body.innerHTML = '<b>x</b>'; }), /TrustedHTML/);
  for (const path of ['/', '/js/page.js', '/nothing']) {
    const headers = (await page.request.get(base + path)).headers();
    assert.match(headers['content-security-policy'], /frame-ancestors 'none'/, path);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.equal(headers['referrer-policy'], 'no-referrer', path);
    assert.ok(headers['permissions-policy'], path);
  }
});

test('Hosted elsewhere it uses the API by CORS, once its policy names the API', async (t) => {
  const config = { API_URL: `${base}/api/`, PAYMENT_URL: '', AUTH: '' };
  const policy = (await fetch(base)).headers.get('content-security-policy');
  const open = async (connect, allowed) => {
    const site = await startSite({ config, policy: policy.replace("connect-src 'self'", `connect-src ${connect}`) });
    t.after(site.stop);
    const page = await openPage(browser, t, { path: site.base, allowed });
    await clickSample(page, 'Grace Hopper');
    return page;
  };
  const refused = await open("'self'", /Content Security Policy|violates/);
  await waitForStage(refused, 'failure');
  assert.equal(await textOf(refused, 'failure-title'), 'This page may not speak to its API');

  const page = await open(`'self' ${base}`);
  await waitForStage(page, 'result');
  assert.ok((await page.getAttribute('#after', 'src')).startsWith(`${base}/api/cache/`));
});
