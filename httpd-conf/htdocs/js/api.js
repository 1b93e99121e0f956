// SPDX-License-Identifier: MIT
// The API as this page uses it. A picture goes to POST /emojify/, which answers at
// once and is then asked how far it is; where a server has no such route (mod_fcgid
// answers 501, an older service 404 or 405), to POST /, which answers when it is done.
import config from '../config.js';

const POLL_FIRST_MS = 120;
const POLL_MOST_MS = 1000;
const POLL_GROWTH = 1.25;
const GIVE_UP_MS = 120 * 1000;
const LOST_POLLS = 4; // failed questions in a row until the network is given up

// What went wrong. `code` is a slug of the API (RFC 9457 member "code") or one of
// this page's own: network, timeout, job-lost, unreadable.
export class ApiError extends Error {
  constructor(code, { status = 0, detail = '', requestId = '', retryAfter = 0 } = {}) {
    super(detail || code);
    Object.assign(this, { code, status, detail, requestId, retryAfter });
  }
}

export const base = new URL(config.API_URL, document.baseURI).href;
export const pictureUrl = (id) => `${base}cache/${encodeURIComponent(id)}`;

const CODES = { 400: 'bad-request', 401: 'unauthorized', 403: 'forbidden', 404: 'not-found', 405: 'method-not-allowed',
  410: 'gone', 413: 'too-large', 415: 'not-a-picture', 422: 'picture-refused', 429: 'busy', 500: 'internal',
  501: 'not-implemented', 502: 'upstream-failed', 503: 'unavailable', 504: 'upstream-timeout' };

const requestIdOf = (xhr) => xhr.getResponseHeader('X-Request-Id') || '';

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// An error as the API tells it, or as a server in between did: then only its status counts.
function errorOf(xhr) {
  const problem = parse(xhr.responseText);
  const known = problem !== null && typeof problem === 'object' ? problem : {};
  return new ApiError(known.code || CODES[xhr.status] || 'unreadable', {
    status: xhr.status,
    detail: typeof known.detail === 'string' ? known.detail : '',
    requestId: known.request_id || requestIdOf(xhr),
    retryAfter: Number.parseInt(xhr.getResponseHeader('Retry-After'), 10) || 0,
  });
}

// XMLHttpRequest, because fetch() does not tell how much of a body has been sent.
function request(method, url, { body, type, token, signal, onSent } = {}) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    const aborted = () => reject(new DOMException('cancelled', 'AbortError'));
    if (signal?.aborted) {
      aborted();
      return;
    }
    xhr.open(method, url);
    xhr.setRequestHeader('Accept', 'application/json');
    if (type) xhr.setRequestHeader('Content-Type', type);
    if (token) xhr.setRequestHeader('Authorization', `jwt ${token}`);
    if (onSent) xhr.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
    xhr.onload = () => {
      if (xhr.status >= 200 && xhr.status < 300) resolve({ answer: parse(xhr.responseText), requestId: requestIdOf(xhr) });
      else reject(errorOf(xhr));
    };
    xhr.onerror = () => reject(new ApiError('network'));
    xhr.onabort = aborted;
    xhr.onloadend = () => signal?.removeEventListener('abort', abort);
    signal?.addEventListener('abort', abort);
    xhr.send(body);
  });
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', stop);
      resolve();
    }
    function stop() {
      clearTimeout(timer);
      reject(new DOMException('cancelled', 'AbortError'));
    }
    signal?.addEventListener('abort', stop, { once: true });
  });
}

// The answer about a job, over a network that may fail now and then.
async function ask(id, signal) {
  for (let left = LOST_POLLS; ; left--) {
    try {
      return (await request('GET', `${base}emojify/${encodeURIComponent(id)}`, { signal })).answer;
    } catch (error) {
      if (error.code !== 'network' || left === 1) throw error;
      await pause(POLL_MOST_MS, signal);
    }
  }
}

// `job` is the answer of the POST, whose request id is also the job's in every log.
async function follow({ answer: job, requestId }, { signal, onProgress }) {
  const id = job?.id;
  const until = performance.now() + GIVE_UP_MS;
  for (let wait = POLL_FIRST_MS; ; wait = Math.min(wait * POLL_GROWTH, POLL_MOST_MS)) {
    if (!job?.status || !id) throw new ApiError('unreadable', { requestId });
    if (job.status === 'FINISHED') {
      // The POST's own answer does not tell how many faces there were, the job's does.
      const { faces = null } = job.faces === undefined ? await ask(id, signal) : job;
      return { id: job.key || id, faces };
    }
    if (job.status === 'FAILED') throw new ApiError(job.code || 'internal', { detail: job.error || '', requestId });
    if (job.status === 'UNKNOWN') throw new ApiError('job-lost', { requestId });
    onProgress({ step: job.status === 'PROCESSING' ? job.step || 'fetch' : 'queue', position: job.position });
    if (performance.now() > until) throw new ApiError('timeout', { requestId });
    await pause(wait, signal);
    job = await ask(id, signal);
  }
}

let hasJobs = true; // until the server has said otherwise

// Emojifies `source`: { url } or { file } (a Blob). Tells onProgress({ step, position,
// sent }), where step is send, queue, fetch, detect, draw, store, or none when the server
// does not tell. Resolves to { id, faces }, faces being null when not known. Rejects
// with an ApiError, or an AbortError after `signal`.
export async function emojify(source, { token, signal, onProgress }) {
  const options = { token, signal, body: source.file || source.url, type: source.file ? source.file.type : 'text/plain' };
  if (source.file) options.onSent = (sent) => onProgress(sent < 1 ? { step: 'send', sent } : { step: hasJobs ? 'queue' : 'none' });
  if (hasJobs) {
    try {
      return await follow(await request('POST', `${base}emojify/`, options), { signal, onProgress });
    } catch (error) {
      if (![404, 405, 501].includes(error.status)) throw error;
      hasJobs = false;
    }
  }
  onProgress({ step: 'none' });
  const { answer } = await request('POST', base, options);
  if (!answer?.id) throw new ApiError('unreadable');
  return { id: answer.id, faces: answer.faces };
}

export function pay(card, token) {
  return request('POST', config.PAYMENT_URL, { body: JSON.stringify(card), type: 'application/json', token });
}
