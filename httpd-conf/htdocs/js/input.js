// SPDX-License-Identifier: MIT
// What somebody pasted, dropped or chose, as { file } or { url } with a name for it.

export const MOST_BYTES = 10 * 1000 * 1000; // as the API’s own limit

// A web address, and not just any word: pasting text elsewhere must not start anything.
export function addressIn(text) {
  const line = (text || '').split('\n').map((each) => each.trim()).find((each) => each && !each.startsWith('#')) || '';
  return /^https?:\/\/\S+$/i.test(line) ? line : '';
}

export function fromUrl(url) {
  let name = url;
  try {
    const { hostname, pathname } = new URL(url);
    name = decodeURIComponent(pathname.split('/').pop()) || hostname;
  } catch {
    // The API will say what is wrong with it.
  }
  return { url, name };
}

export const fromFile = (file, name = '') => ({ file, url: '', name: name || file.name || 'Picture' });

// Of a paste or a drop; null when there is neither. A picture dragged from another
// page comes with its address too: the bytes are better, they need no fetching.
export function fromTransfer(transfer) {
  const files = [...(transfer?.files || [])];
  const file = files.find(({ type }) => type.startsWith('image/')) || files[0];
  if (file) return fromFile(file);
  const url = addressIn(transfer?.getData('text/uri-list')) || addressIn(transfer?.getData('text/plain'));
  return url ? fromUrl(url) : null;
}
