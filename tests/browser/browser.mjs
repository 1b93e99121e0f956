// SPDX-License-Identifier: MIT
// Debian's Chromium for the tests, and what several of them do with a page.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { root } from './stack.mjs';

export const base = process.env.BASE;
export const pictures = join(root, 'build/pictures');
export const samples = join(root, 'httpd-conf/htdocs/samples');

const screenshots = join(root, 'build/screenshots');
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export function launch() {
  mkdirSync(screenshots, { recursive: true });
  // Chromium's own sandbox does not start as root, as which CI runs.
  const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args });
}

// A page of its own context. After the test `t` it is closed, and has told no error.
// `allowed` is what the console may say.
export async function openPage(browser, t, { path = '/', allowed = /^Failed to load resource/, setup, ...options } = {}) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(15000);
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !allowed.test(message.text())) complaints.push(message.text());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, [], 'errors in the page');
  });
  if (setup) await setup(page);
  await page.goto(new URL(path, base).href);
  return page;
}

export function screenshot(page, name) {
  return page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}

// axe-core finds nothing wrong with the page as it is now. It runs outside the page's
// Content-Security-Policy, which would rightly refuse it.
export async function assertAccessible(page, state) {
  await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const result = await window.axe.run(document, { resultTypes: ['violations'] });
    return result.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  });
  assert.deepEqual(violations, [], `accessibility of: ${state}`);
}

// Waits until the page shows that stage (idle, work, result, failure), or gives up with what it shows instead.
export async function waitForStage(page, stage) {
  const other = stage === 'failure' ? 'result' : 'failure';
  await page.waitForSelector(`#${stage}:not([hidden]), #${other}:not([hidden])`);
  if (await page.locator(`#${stage}`).isVisible()) return;
  assert.fail(`not ${stage} but ${other}: ${await page.locator(`#${other}`).innerText()}`);
}

export const textOf = (page, id) => page.locator(`#${id}`).innerText();

// A paste or a drop as a browser would send it, with a file, or with texts by type.
export async function transfer(page, kind, { file, texts = {} }) {
  const bytes = file ? readFileSync(file.path).toString('base64') : null;
  await page.evaluate(({ kind, bytes, file, texts }) => {
    const data = new DataTransfer();
    for (const [type, text] of Object.entries(texts)) data.setData(type, text);
    if (bytes !== null) {
      const raw = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
      data.items.add(new File([raw], file.name, { type: file.type }));
    }
    const common = { bubbles: true, cancelable: true };
    if (kind === 'paste') document.activeElement.dispatchEvent(new ClipboardEvent('paste', { ...common, clipboardData: data }));
    else for (const type of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(new DragEvent(type, { ...common, dataTransfer: data }));
  }, { kind, bytes, file, texts });
}

// Serve the page with other settings than its config.js has.
export function withConfig(settings) {
  const config = { API_URL: '/api/', PAYMENT_URL: '', AUTH: '', ...settings };
  return (page) => page.route('**/config.js', (route) => route.fulfill({
    contentType: 'text/javascript', body: `export default ${JSON.stringify(config)};` }));
}

// Have the API answer one request with that.
export function answerWith(page, pattern, status, body, headers = {}) {
  return page.route(pattern, (route) => route.fulfill({ status, headers,
    contentType: typeof body === 'string' ? 'text/html' : 'application/problem+json',
    body: typeof body === 'string' ? body : JSON.stringify(body) }), { times: 1 });
}
