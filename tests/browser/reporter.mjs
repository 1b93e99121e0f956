// SPDX-License-Identifier: MIT
// Tells results as cmocka does, so that tests/run.sh counts all tests alike. Why a test
// failed is told last, where the runner shows it.
import { inspect } from 'node:util';

export default async function* report(events) {
  const failed = [];
  let passed = 0;
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr') yield data.message;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    // A file shows up as a test of its own; it counts only when it fails as a whole.
    if (data.name.endsWith('.test.mjs') && (type === 'test:pass' || failed.length > 0)) continue;
    if (type === 'test:pass') passed++;
    else failed.push(data);
    yield `[ ${type === 'test:pass' ? '      OK' : ' FAILED '} ] ${data.name} (${Math.round(data.details.duration_ms)} ms)\n`;
  }
  for (const { name, details } of failed) yield `--- ${name}\n${inspect(details.error?.cause ?? details.error)}\n`;
  yield `[  PASSED  ] ${passed} test(s).\n`;
  if (failed.length > 0) yield `[  FAILED  ] ${failed.length} test(s).\n`;
}
