// SPDX-License-Identifier: MIT
// The card form, there only when PAYMENT_URL is set. The card is checked by the API,
// goes nowhere else, and is cleared from the form when it was taken.
import config from '../config.js';
import { pay } from './api.js';

const TEXTS = {
  'bad-request': 'The card was not accepted',
  unauthorized: 'A valid access token is needed; enter it above.',
  'not-implemented': 'Payments are not set up here.',
  network: 'The service cannot be reached. The payment may have been made: look at your account before you pay again.',
};

function answerOf(error) {
  const text = TEXTS[error.code] || 'The payment failed';
  return error.detail && error.code !== 'unauthorized' && error.code !== 'not-implemented' ? `${text}: ${error.detail}.` : text;
}

export function start(getToken) {
  if (!config.PAYMENT_URL) return;
  const form = document.getElementById('payment-form');
  const answer = document.getElementById('payment-answer');
  let isPaying = false;
  document.getElementById('payment').hidden = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (isPaying) return; // a second click must not pay twice
    isPaying = true;
    answer.textContent = 'Paying…';
    try {
      await pay(Object.fromEntries(new FormData(form)), getToken());
      form.reset();
      answer.textContent = 'Thank you, the payment was taken.';
    } catch (error) {
      answer.textContent = answerOf(error);
    }
    isPaying = false;
  });
}
