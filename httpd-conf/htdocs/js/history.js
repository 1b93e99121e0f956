// SPDX-License-Identifier: MIT
// The last few results, in this browser's localStorage only. Storage that is
// forbidden or full means a shorter memory, never an error.

const KEY = 'emojify.recent';
const MOST = 8;

const isEntry = (entry) => entry !== null && typeof entry === 'object'
  && typeof entry.id === 'string' && typeof entry.name === 'string' && typeof entry.url === 'string';

// Newest first, as { id, name, url }; url is the original's, '' when it was a file.
export function list() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(stored) ? stored.filter(isEntry).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function save(entries) {
  try {
    if (entries.length > 0) localStorage.setItem(KEY, JSON.stringify(entries.slice(0, MOST)));
    else localStorage.removeItem(KEY);
  } catch {
    // Not kept, then.
  }
}

export function add(entry) {
  save([entry, ...list().filter(({ id }) => id !== entry.id)]);
}

export function remove(id) {
  save(list().filter((entry) => entry.id !== id));
}

export function clear() {
  save([]);
}
