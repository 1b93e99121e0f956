// SPDX-License-Identifier: MIT
// Each way to fail, in plain words: what happened, what to do, and whether trying
// the same again can help. By the stable codes of the API's problem objects.

const SERVER = 'The picture’s own server';

const TEXTS = {
  // what was asked for
  'bad-request': ['The request was not understood', 'Reload this page and try once more.', true],
  'invalid-url': ['This is not the address of a picture',
    'It should begin with http:// or https://, such as https://example.org/picture.jpg. To get it, open the menu of a picture (right click, or a long press) and choose “Copy image address”.'],
  unauthorized: ['A valid access token is needed', 'Enter the token that you were given, then try again. One that worked before may have expired.', true],
  'forbidden-address': ['This address may not be fetched',
    'It leads into a private network or to a blocked server. Save the picture and drop the file here instead.'],
  forbidden: ['This is not allowed', 'The service refused the request.'],
  'not-found': ['There is no such thing here', 'The address of the API in this page’s settings may be wrong. Tell who runs this site.'],
  'method-not-allowed': ['The service does not take pictures at this address', 'The address of the API in this page’s settings may be wrong. Tell who runs this site.'],
  gone: ['This picture was taken down', 'Somebody who runs this service has removed it. Please choose another one.'],
  'too-large': ['The picture is too large', 'It may have 10 MB at most, and an address 8 KB. Save it smaller or as a JPEG, and try that one.'],
  'uri-too-long': ['The address is too long', 'Save the picture and drop the file here instead.'],
  'not-a-picture': ['This is not a picture of a kind that is taken here',
    'JPEG, PNG, WebP and GIF are. If it is an address, it may lead to a page that shows the picture: copy the address of the picture itself.'],
  'picture-refused': ['This picture cannot be used', 'It is damaged, or has too many pixels. Save it anew, or smaller, and try that one.'],
  'headers-too-large': ['The request was too large', 'The access token may be too long.'],

  // what the picture's server did
  'fetch-failed': ['The picture could not be fetched', 'Open its address in another tab to see whether it still is there. If you can see it, save it and drop the file here.', true],
  'origin-failed': [`${SERVER} did not answer properly`, 'Wait a little and try again, or save the picture and drop the file here.', true],
  'origin-timeout': [`${SERVER} took too long`, 'Try again, or save the picture and drop the file here.', true],

  // what the service did
  busy: ['Many pictures are being worked on right now', 'Wait a moment and try again.', true],
  internal: ['Something went wrong in the service', 'It is not your fault. Try again; if it stays, tell who runs this site.', true],
  'no-memory': ['The service has no room for this picture right now', 'Wait a moment and try again.', true],
  'not-implemented': ['The service cannot do this', 'It is not set up here.'],
  'upstream-failed': ['The service could not finish this picture', 'One of its parts failed. Try again in a moment.', true],
  unavailable: ['The service is not available right now', 'One of its parts is down. Try again in a moment.', true],
  'upstream-timeout': ['The service took too long', 'One of its parts did not answer in time. Try again in a moment.', true],

  // what only this page sees
  network: ['The service cannot be reached', 'Are you online? If you are, it may be restarting: try again in a moment.', true],
  timeout: ['This takes too long', 'The service has not finished after two minutes. Try again later.', true],
  'job-lost': ['The service has forgotten this picture', 'It was restarted while it worked on it. Try again.', true],
  unreadable: ['The answer was not understood', 'The address of the API in this page’s settings may be wrong, or a server in between failed. Try again.', true],
  'no-picture': ['This is neither a picture nor its address', 'Drop or paste a picture file, or an address that begins with http:// or https://.'],
  'sample-missing': ['This sample could not be loaded', 'Are you online? Reload this page, then click it again.'],
  'policy': ['This page may not speak to its API', 'Its Content-Security-Policy does not name the server in config.js. Tell who runs this site.'],
};

// Those whose detail says something that the text above cannot know.
const WITH_DETAIL = new Set(['bad-request', 'invalid-url', 'forbidden-address', 'too-large', 'picture-refused', 'fetch-failed', 'origin-failed']);

export const codes = Object.keys(TEXTS);

// { title, advice, detail, canRetry } of an ApiError.
export function explain(error) {
  const [title, advice, canRetry = false] = TEXTS[error.code] || TEXTS.internal;
  const parts = [];
  if (error.detail && WITH_DETAIL.has(error.code)) parts.push(`The service says: ${error.detail}.`);
  if (error.retryAfter > 0) parts.push(`It asks to wait ${error.retryAfter} s.`);
  if (error.requestId) parts.push(`Reference: ${error.requestId}`);
  return { title, advice, canRetry, detail: parts.join(' ') };
}
