// SPDX-License-Identifier: MIT
// The picture before and after, one above the other, cut where the slider is. The
// slider is a range input over the whole picture: mouse, finger, keyboard and screen
// reader come with it.

const $ = (id) => document.getElementById(id);
const ORIGINAL_MS = 5000; // how long a stranger's server may take to show the original

function loaded(image, url) {
  image.src = url;
  return image.decode().then(() => true, () => false);
}

const within = (promise, ms) => Promise.race([promise, new Promise((resolve) => { setTimeout(resolve, ms, false); })]);

function move() {
  const { value } = $('split');
  $('compare').style.setProperty('--split', `${value}%`);
  $('split').setAttribute('aria-valuetext', `${value} % original, ${100 - value} % with emoji`);
}

// Shows both; resolves to { after, before }: which of them could be loaded. Without
// `before` (or when it cannot be had) there is the result only, and no slider.
export async function show(after, before) {
  const [hasAfter, hasBefore] = await Promise.all([
    loaded($('after'), after),
    before ? within(loaded($('before'), before), ORIGINAL_MS) : false,
  ]);
  if (!hasBefore) $('before').removeAttribute('src');
  $('compare').classList.toggle('single', !hasBefore);
  for (const part of $('compare').querySelectorAll('#before, #split, .tag, .handle')) part.hidden = !hasBefore;
  $('compare').style.setProperty('--ratio', String(($('after').naturalWidth || 1) / ($('after').naturalHeight || 1)));
  $('split').value = 50;
  move();
  return { after: hasAfter, before: hasBefore };
}

$('split').addEventListener('input', move);
