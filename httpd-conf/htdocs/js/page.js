// SPDX-License-Identifier: MIT
// The page: one picture at a time goes from idle through work to a result or a
// failure. Text from elsewhere (names, addresses, the API's words) only ever
// becomes textContent.
import config from '../config.js';
import { ApiError, base, emojify, pictureUrl } from './api.js';
import * as compare from './compare.js';
import { explain } from './errors.js';
import * as history from './history.js';
import { MOST_BYTES, addressIn, fromFile, fromTransfer, fromUrl } from './input.js';
import * as payment from './payment.js';

const $ = (id) => document.getElementById(id);
const STAGES = ['idle', 'work', 'result', 'failure'];
const STEPS = ['fetch', 'detect', 'draw', 'store'];

const state = {
  source: null,     // what is worked on, or was: { file } or { url }, and its name
  blobUrl: '',      // of the source's file
  controller: null, // of the work under way
};

// Said once, not at each step of a progress bar.
function say(text) {
  if ($('status').textContent !== text) $('status').textContent = text;
}

// --- stages -----------------------------------------------------------------------

// Shows one of them. The focus goes along, but never out of a field that somebody is
// typing in.
function showStage(name, heading) {
  const active = document.activeElement;
  const typing = active instanceof HTMLInputElement && active.type !== 'range' && active.value !== '';
  for (const each of STAGES) $(each).hidden = each !== name;
  if (heading && !typing) $(heading).focus({ preventScroll: true });
  if (heading && $('form').getBoundingClientRect().top < 0) {
    $('form').scrollIntoView({ behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  }
}

// Where the original can be seen; '' when what was given is no web address.
function originalUrl(source) {
  return source.file ? state.blobUrl : addressIn(source.url);
}

function showPreview(source) {
  const preview = $('preview');
  preview.hidden = true;
  preview.onload = () => { preview.hidden = false; };
  if (originalUrl(source)) preview.src = originalUrl(source);
}

function showWork(source) {
  for (const item of $('steps').children) item.className = '';
  $('steps').firstElementChild.textContent = source.file ? 'Sending the picture' : 'Fetching the picture';
  $('work-title').textContent = 'Working on your picture';
  $('work-note').textContent = '';
  $('progress').removeAttribute('value');
  $('steps').hidden = false;
  showPreview(source);
  showStage('work', 'work-title');
}

// --- progress ---------------------------------------------------------------------

function markSteps(current) {
  const at = STEPS.indexOf(current);
  STEPS.forEach((step, index) => {
    const item = $('steps').querySelector(`[data-step="${step}"]`);
    item.className = index < at ? 'done' : index === at ? 'now' : '';
    if (index === at) item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
  });
  return at;
}

function progressNote(step, position) {
  if (step === 'none') return 'This takes a few seconds.';
  if (step !== 'queue') return '';
  return position > 1 ? `Number ${position} in the queue.` : 'Waiting for its turn.';
}

function showProgress({ step, sent = 0, position = 0 }) {
  const note = progressNote(step, position);
  $('work-note').textContent = note;
  $('steps').hidden = step === 'none';
  if (note) {
    markSteps('');
    $('progress').removeAttribute('value');
    say(note);
    return;
  }
  // A picture that was sent is not fetched: its first step is the sending.
  const at = markSteps(step === 'send' ? 'fetch' : step);
  $('progress').value = 100 * (at + (step === 'send' ? sent : 0.5)) / STEPS.length;
  say($('steps').querySelector('.now')?.textContent || '');
}

// --- results ----------------------------------------------------------------------

function resultText(faces) {
  if (faces === 0) return ['No face was found', 'So there was nothing to cover. Faces that look at the camera and are not too small are found best.'];
  if (faces > 0) return [faces === 1 ? 'One face covered' : `${faces} faces covered`, ''];
  return ['Your picture is ready', ''];
}

async function showResult({ id, faces, source }) {
  const url = pictureUrl(id);
  const original = originalUrl(source);
  const shown = await compare.show(url, original);
  if (state.source !== source) return; // another one was given meanwhile, or this one cancelled
  if (!shown.after) throw new ApiError('gone', { status: 410 });
  const [title, note] = resultText(faces);
  const missing = original && !shown.before ? 'The original cannot be shown: its server did not send it to this page.' : '';
  $('result-title').textContent = title;
  $('result-note').textContent = [note, missing].filter(Boolean).join(' ');
  $('download').href = `${url}?download=1`;
  $('download').download = `emojified-${id.slice(0, 8)}`;
  $('copy').textContent = 'Copy link';
  $('link').hidden = true;
  $('link').value = url;
  showStage('result', 'result-title');
  say(`${title}. ${$('result-note').textContent}`);
}

function showFailure(error) {
  const { title, advice, detail, canRetry } = explain(error);
  $('failure-title').textContent = title;
  $('failure-advice').textContent = advice;
  $('failure-detail').textContent = detail;
  $('again').hidden = !canRetry || !state.source;
  if (error.code === 'unauthorized') $('token-row').hidden = false;
  showStage('failure', 'failure-title');
  say(`${title}. ${advice}`);
}

// --- the work ---------------------------------------------------------------------

function check({ file, url }) {
  if (file && file.size > MOST_BYTES) throw new ApiError('too-large', { detail: `the picture has ${(file.size / 1e6).toFixed(1)} MB` });
  if (file && !file.type.startsWith('image/')) throw new ApiError('not-a-picture');
  if (!file && !url) throw new ApiError('no-picture');
}

function replaceSource(source) {
  if (state.blobUrl) URL.revokeObjectURL(state.blobUrl);
  state.source = source;
  state.blobUrl = source.file ? URL.createObjectURL(source.file) : '';
}

// Emojifies it; what was under way before is dropped.
async function run(source) {
  state.controller?.abort();
  const controller = new AbortController();
  state.controller = controller;
  if (source !== state.source) replaceSource(source);
  const token = tokenOf();
  try {
    check(source);
    showWork(source);
    const { id, faces } = await emojify(source, { token, signal: controller.signal,
      onProgress: (progress) => state.controller === controller && showProgress(progress) });
    if (state.controller !== controller) return;
    await showResult({ id, faces, source });
    history.add({ id, name: source.name.slice(0, 120), url: source.url });
    drawRecent();
  } catch (error) {
    if (state.controller !== controller || error.name === 'AbortError') return;
    showFailure(error instanceof ApiError ? error : new ApiError('internal', { detail: String(error) }));
  }
  if (state.controller === controller) state.controller = null;
}

function cancel() {
  state.controller?.abort();
  state.controller = null;
  state.source = null;
  showStage('idle');
  say('Cancelled.');
  $('address').focus();
}

async function runSample(button) {
  // Its bytes, not its address: a server on a private network must not fetch from itself.
  try {
    const answer = await fetch(button.dataset.sample);
    if (!answer.ok) throw new ApiError('sample-missing');
    await run(fromFile(await answer.blob(), button.dataset.name));
  } catch {
    showFailure(new ApiError('sample-missing'));
  }
}

// --- the last few -----------------------------------------------------------------

function recentItem(entry) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  const image = document.createElement('img');
  button.type = 'button';
  button.setAttribute('aria-label', `Show ${entry.name} again`);
  button.title = entry.name;
  image.alt = '';
  image.loading = 'lazy';
  image.onerror = () => { // the cache has let go of it
    history.remove(entry.id);
    item.remove();
    $('recent-section').hidden = $('recent').children.length === 0;
  };
  image.src = pictureUrl(entry.id);
  button.append(image);
  button.addEventListener('click', () => showAgain(entry));
  item.append(button);
  return item;
}

function drawRecent() {
  const entries = history.list();
  $('recent').replaceChildren(...entries.map(recentItem));
  $('recent-section').hidden = entries.length === 0;
}

async function showAgain({ id, name, url }) {
  state.controller?.abort();
  state.controller = null;
  const source = { url, name };
  replaceSource(source);
  try {
    await showResult({ id, faces: null, source });
  } catch (error) {
    showFailure(error);
  }
}

// --- token ------------------------------------------------------------------------

const TOKEN_KEY = 'emojify.token';

function tokenOf() {
  if (config.AUTH && config.AUTH !== 'ask') return config.AUTH;
  return $('token').value.trim();
}

function startToken() {
  $('token-row').hidden = config.AUTH !== 'ask';
  try {
    $('token').value = sessionStorage.getItem(TOKEN_KEY) || '';
    $('token').addEventListener('change', () => sessionStorage.setItem(TOKEN_KEY, tokenOf()));
  } catch {
    // No storage: it lives in the field only.
  }
}

// --- copying ----------------------------------------------------------------------

async function copyLink() {
  try {
    await navigator.clipboard.writeText($('link').value);
    $('copy').textContent = 'Copied';
    say('The link was copied.');
  } catch { // no permission, or the page did not come over https
    $('link').hidden = false;
    $('link').select();
    say('Copy the link from the field beside the button.');
  }
}

// --- what people do ---------------------------------------------------------------

function submit(event) {
  event.preventDefault();
  const text = $('address').value.trim();
  // What is not an address goes to the API all the same: it says what is wrong.
  run(text ? fromUrl(text) : { url: '', name: '' });
}

function onPaste(event) {
  const intoField = event.target instanceof HTMLInputElement && event.target !== $('address');
  const source = intoField ? null : fromTransfer(event.clipboardData);
  if (!source) return;
  event.preventDefault();
  $('address').value = source.url;
  run(source);
}

function listenForDrops() {
  let depth = 0; // dragenter and dragleave come for every element on the way
  const isWanted = (event) => ['Files', 'text/uri-list', 'text/plain'].some((type) => event.dataTransfer.types.includes(type));
  const show = (change) => {
    depth = Math.max(0, depth + change);
    $('drop').hidden = depth === 0;
  };
  addEventListener('dragenter', (event) => isWanted(event) && show(1));
  addEventListener('dragleave', (event) => isWanted(event) && show(-1));
  addEventListener('dragover', (event) => isWanted(event) && event.preventDefault());
  addEventListener('drop', (event) => {
    show(-depth);
    if (!isWanted(event)) return;
    event.preventDefault();
    const source = fromTransfer(event.dataTransfer);
    if (source) {
      $('address').value = source.url;
      run(source);
    } else {
      showFailure(new ApiError('no-picture'));
    }
  });
}

function chooseFile() {
  const [file] = $('file').files;
  if (!file) return;
  $('address').value = '';
  run(fromFile(file));
  $('file').value = ''; // so that the same one can be chosen again
}

// An operator who moved the API but not the policy sees why nothing works.
function onPolicyViolation({ effectiveDirective, blockedURI }) {
  if (effectiveDirective === 'connect-src' && blockedURI && base.startsWith(new URL(blockedURI, base).origin)) {
    state.controller?.abort();
    showFailure(new ApiError('policy'));
  }
}

function start() {
  startToken();
  payment.start(tokenOf);
  drawRecent();
  listenForDrops();
  $('form').addEventListener('submit', submit);
  $('choose').addEventListener('click', () => $('file').click());
  $('file').addEventListener('change', chooseFile);
  $('cancel').addEventListener('click', cancel);
  $('again').addEventListener('click', () => run(state.source));
  $('copy').addEventListener('click', copyLink);
  $('forget').addEventListener('click', () => {
    history.clear();
    drawRecent();
    $('address').focus();
  });
  for (const button of document.querySelectorAll('[data-sample]')) button.addEventListener('click', () => runSample(button));
  addEventListener('paste', onPaste);
  addEventListener('securitypolicyviolation', onPolicyViolation);
  // Pasted text is taken at once; so is an address that a phone's keyboard puts in whole.
  $('address').addEventListener('input', (event) => {
    if (event.inputType === 'insertReplacementText' && addressIn($('address').value)) run(fromUrl($('address').value.trim()));
  });
}

start();
