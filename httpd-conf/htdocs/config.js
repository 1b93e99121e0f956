// SPDX-License-Identifier: MIT
// The page's settings. This is the only file to edit when the page is hosted
// elsewhere than beside the API; docs/web.md tells what else that needs.
export default {
  // Where the API is, with a slash at the end: a path on this server, or
  // 'https://api.example.org/'. There ALLOW_ORIGIN must name this page's origin,
  // and this server's Content-Security-Policy must name the API's.
  API_URL: '/api/',

  // Where cards are posted to, for example '/api/payments'. Empty: no payment form.
  PAYMENT_URL: '',

  // Who may post. '': anybody. 'ask': the page asks for a token and keeps it until
  // its tab is closed. Anything else is the token itself, which everybody can read.
  AUTH: '',
};
