'use strict';
// Asks /debug/status every two seconds while somebody looks, and draws what it says. Foreign
// text only ever becomes textContent.
(() => {
  const EVERY = 2000;
  const SPAN = 10 * 60 * 1000;
  const STATES_EVERY = 3; // updates: what is sampled is asked of every process

  const $ = (id) => document.getElementById(id);
  // Of an absolute URL without credentials: Chromium's fetch takes no relative one when the
  // page's own address has a user and a token in it.
  const here = location.origin + location.pathname;
  const url = (path) => new URL(path, here).href;

  // --- numbers ------------------------------------------------------------------

  function digits(value) {
    const size = Math.abs(value);
    if (size === 0) return '0';
    return size >= 1e6 ? `${digits(value / 1e6)}M` : size >= 1e4 ? `${digits(value / 1e3)}k`
      : String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3)));
  }
  const milliseconds = (value) => (value >= 1000 ? `${digits(value / 1000)} s` : `${digits(value)} ms`);
  const percent = (cores) => `${digits(cores * 100)} %`;
  const bytes = (value) => (value >= 2 ** 30 ? `${digits(value / 2 ** 30)} GiB` : value >= 2 ** 20 ? `${digits(value / 2 ** 20)} MiB` : `${digits(value / 1024)} KiB`);
  const perhaps = (format, value) => (value === null || value === undefined ? '–' : format(value));
  function seconds(count) {
    const left = Math.max(0, Math.round(count));
    return left >= 120 ? `${Math.floor(left / 60)} min ${left % 60} s` : `${left} s`;
  }

  function make(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  // --- what is known ------------------------------------------------------------

  // Numbers of each series, one for each of `times`, by its name; a route's by "route/name".
  const known = { at: [], series: new Map(), offset: 0, status: null, routes: [] };

  function take(status) {
    const fresh = status.at.length;
    const before = known.at.length;
    const named = new Map(Object.entries(status.series));
    for (const [route, { requests, cpu_ms: cpu }] of Object.entries(status.routes)) {
      if (!known.routes.includes(route)) known.routes.push(route);
      named.set(`${route}/requests`, requests);
      named.set(`${route}/cpu_ms`, cpu);
    }
    for (const name of new Set([...known.series.keys(), ...named.keys()])) {
      const old = known.series.get(name) ?? Array(before).fill(null);
      known.series.set(name, old.concat(named.get(name) ?? Array(fresh).fill(null)));
    }
    known.at = known.at.concat(status.at);
    known.offset = status.time - status.now;
    known.status = status;
    const over = known.at.findIndex((at) => at > status.now - SPAN);
    const cut = over < 0 ? known.at.length : over;
    if (cut > 0) {
      known.at = known.at.slice(cut);
      for (const [name, values] of known.series) known.series.set(name, values.slice(cut));
    }
  }

  // --- charts -------------------------------------------------------------------

  const series = (...pairs) => () => pairs.filter(([name]) => known.series.has(name))
    .map(([name, label, colour], i) => ({ name: label, colour: colour ?? i, values: known.series.get(name) }));
  const byRoute = (what) => () => known.routes.map((route, i) => ({ name: route, colour: i, values: known.series.get(`${route}/${what}`) }));

  const charts = [
    [{ title: 'CPU', unit: 'of one core', format: percent, least: 0.05, filled: true }, series(['cpu', 'emojify-api, all processes'], ['cache_cpu', 'cache service'])],
    [{ title: 'Requests', unit: 'a second, by route', format: digits }, byRoute('requests')],
    [{ title: 'CPU of a request', unit: 'by route', format: milliseconds, least: 0.1 }, byRoute('cpu_ms')],
    [{ title: 'Latency', unit: '50, 95, 99 % were faster', format: milliseconds }, series(['p50_ms', 'p50', 2], ['p95_ms', 'p95', 4], ['p99_ms', 'p99', 0])],
    [{ title: 'Errors', unit: 'a second', format: digits, filled: true }, series(['errors_5xx', 'ours, 5xx', 0], ['errors_4xx', 'the client’s, 4xx', 1])],
    [{ title: 'Queue', unit: 'requests and jobs', format: digits }, series(['queue', 'wait for their turn'], ['running', 'pictures being worked on'], ['in_flight', 'requests in flight'])],
    [{ title: 'Cache tiers', unit: 'a second', format: digits }, series(['tier_hits', 'local tier: hits', 2], ['tier_stale', 'local tier: stale', 4], ['tier_misses', 'local tier: misses', 0], ['cache_calls', 'calls to the cache service', 1])],
    [{ title: 'Upstreams', unit: 'mean time of a call', format: milliseconds }, series(['cache_ms', 'cache', 1], ['facebox_ms', 'face detection', 3], ['fetch_ms', 'picture’s server', 2])],
    [{ title: 'Pictures', unit: 'a second', format: digits }, series(['pictures', 'drawn and stored', 3], ['shared', 'got another’s result', 2])],
  ].map(([options, lines]) => ({ chart: new Chart(options), lines }));
  $('charts').append(...charts.map(({ chart }) => chart.node));

  function draw() {
    if (!known.status) return;
    const times = known.at.map((at) => at + known.offset);
    for (const { chart, lines } of charts) chart.draw(lines(), times, known.status.time);
  }
  new ResizeObserver(draw).observe($('charts'));

  // --- tables and facts ---------------------------------------------------------

  const cells = (head, ...values) => {
    const row = document.createElement('tr');
    row.append(make('th', head, { scope: 'row' }), ...values.map((value) => make('td', value)));
    return row;
  };

  function showRoutes() {
    const rows = Object.entries(known.status.routes).filter(([, route]) => route.minute)
      .sort(([, a], [, b]) => b.minute.requests - a.minute.requests);
    $('routes').replaceChildren(...rows.map(([name, { minute }]) => cells(name, digits(minute.requests / 60),
      perhaps(milliseconds, minute.cpu_ms), percent((minute.cpu_ms ?? 0) * minute.requests / 60000),
      perhaps(milliseconds, minute.p50_ms), perhaps(milliseconds, minute.p99_ms), digits(minute.errors))));
  }

  let states = new Map(); // of the sampling, by pid
  let earlier = null;     // the processes, some seconds ago

  function showProcesses() {
    const { processes, now } = known.status;
    const used = (pid, cpu) => {
      const old = earlier?.cpu.get(pid);
      return old === undefined ? null : (cpu - old) * 1000 / (now - earlier.now);
    };
    $('processes').replaceChildren(...processes.map((process) => {
      const state = states.get(process.pid);
      const sampling = !state || state.error ? '–' : [state.hz > 0 ? `${state.hz} Hz` : 'off', state.toggle ? 'switched on' : '', state.ring ? 'ring' : '', state.windows > 0 ? 'profile' : ''].filter(Boolean).join(', ');
      return cells(process.pid, state?.version ?? '–', new Date(process.started * 1000).toLocaleString('en-GB'),
        perhaps(percent, used(process.pid, process.cpu_s)), bytes(process.resident_bytes), process.threads, process.descriptors, sampling);
    }));
    if (!earlier || now - earlier.now > 4 * EVERY) earlier = { now, cpu: new Map(processes.map(({ pid, cpu_s: cpu }) => [pid, cpu])) };
  }

  function showFacts() {
    const { version, processes, breakers, tier } = known.status;
    const latest = (name) => known.series.get(name)?.at(-1) ?? 0;
    const open = Object.entries(breakers);
    const facts = [['version', version], ['processes', processes.length]];
    if (open.length > 0) facts.push(['breakers', open.filter(([, count]) => count > 0).map(([name, count]) => `${name} open in ${count}`).join(', ') || 'closed']);
    if (tier.on) facts.push(['local tier', `${digits(latest('tier_files'))} files, ${bytes(latest('tier_bytes'))} of ${bytes(tier.max_bytes)}`]);
    $('facts').replaceChildren(...facts.map(([name, value]) => {
      const item = make('li', `${name} `);
      item.append(make('b', value));
      return item;
    }));
  }

  // --- asking -------------------------------------------------------------------

  class Refused extends Error {}

  async function ask(path, options = {}) {
    const answer = await fetch(url(path), { cache: 'no-store', ...options });
    if (!answer.ok) throw new Refused((await answer.text()).trim() || `HTTP ${answer.status}`);
    return answer.json();
  }

  function complain(what, error) {
    $('problem').textContent = `${what}: ${error.message}`;
    $('problem').hidden = false;
  }
  const settle = () => { $('problem').hidden = true; };

  // What ends by itself, with its end on our clock; it counts down between the answers.
  const ends = { sampling: null, log: null };
  let sampled = null; // [{ toggle, toggle_left_s, ... }]
  let level = null;

  function showSwitches() {
    const left = (end) => seconds((end - Date.now()) / 1000);
    if (sampled) {
      const on = sampled.filter(({ toggle }) => toggle).length;
      const state = $('sampling');
      state.replaceChildren(make('b', on ? 'On' : 'Off'), on ? `, ends in ${left(ends.sampling)}, ${on} of ${sampled.length} processes` : ', it ends by itself after the time chosen');
      $('sampling-switch').textContent = on ? 'Stop sampling' : 'Sample';
      $('sampling-switch').setAttribute('aria-pressed', String(on > 0));
      $('sampling-switch').disabled = false;
    }
    if (level) {
      $('log').replaceChildren(make('b', level.level), ends.log ? `, for ${left(ends.log)}, then ${level.configured}` : ', as LOG_LEVEL says');
    }
  }

  function takeSampling({ processes }) {
    sampled = processes;
    states = new Map(processes.map((state) => [state.pid, state]));
    const left = Math.max(0, ...processes.map(({ toggle_left_s: rest }) => rest ?? 0));
    ends.sampling = Date.now() + left * 1000;
    showSwitches();
  }

  function takeLevel(answer) {
    level = answer;
    ends.log = answer.seconds_left > 0 ? Date.now() + answer.seconds_left * 1000 : null;
    showSwitches();
  }

  function takeSaved({ saved }) {
    if (saved.length === 0) {
      $('saved').replaceChildren(make('li', 'none yet; one is kept when a route’s CPU a request triples', { class: 'hint' }));
      return;
    }
    $('saved').replaceChildren(...saved.map(({ name }) => {
      const item = document.createElement('li');
      item.append(make('a', name, { href: `pprof/flamegraph?saved=${encodeURIComponent(name)}`, target: '_blank', rel: 'noopener' }));
      return item;
    }));
  }

  // The charts do not wait for it: a process that hangs delays the answer by seconds.
  let askingStates = false;
  async function askStates() {
    if (askingStates) return;
    askingStates = true;
    const takers = [['pprof/sampling', takeSampling], ['pprof/saved', takeSaved]];
    if (known.status.log) takers.push(['log', takeLevel]);
    await Promise.allSettled(takers.map(async ([path, taker]) => taker(await ask(path))));
    askingStates = false;
  }

  function lookForRing() {
    const on = known.status.profile.ring_hz > 0;
    $('compare-hint').hidden = on;
    $('compare-row').hidden = !on;
    if (on) $('compare').href = `pprof/flamegraph?seconds=${$('seconds').value}&base=${$('base').value}`;
  }

  let updates = 0;
  let timer = null;
  let asking = false;

  async function update() {
    timer = null;
    if (document.hidden || asking) return;
    asking = true;
    try {
      take(await ask(`status?since=${known.at.at(-1) ?? 0}`));
      if (updates++ % STATES_EVERY === 0) askStates();
      draw();
      showRoutes();
      showProcesses();
      showFacts();
      lookForRing();
      $('log-control').hidden = !known.status.log;
      $('link').textContent = 'live';
      $('link').className = '';
    } catch (error) {
      $('link').textContent = error instanceof Refused ? `refused: ${error.message}` : 'no answer, trying again';
      $('link').className = 'lost';
    }
    asking = false;
    timer ??= setTimeout(update, EVERY);
  }

  // Nobody looks: nobody asks.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && timer === null) update();
  });

  // --- switches -----------------------------------------------------------------

  function onChoice() {
    const chosen = $('seconds').value;
    $('profile').href = `pprof/flamegraph?seconds=${chosen}`;
    $('profile').querySelector('.seconds').textContent = chosen;
    if (known.status) lookForRing();
  }
  $('seconds').addEventListener('change', onChoice);
  $('base').addEventListener('change', onChoice);

  function onClick(id, what, act) {
    $(id).addEventListener('click', async () => {
      const button = $(id);
      button.disabled = true;
      settle();
      try {
        await act(button);
      } catch (error) {
        complain(what, error);
      }
      button.disabled = false;
    });
  }

  onClick('sampling-switch', 'Sampling could not be switched', async (button) => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    takeSampling(await ask('pprof/sampling', { method: 'POST', body: new URLSearchParams({ cpu: on ? 'on' : 'off', for: $('sampling-for').value }) }));
  });

  onClick('log-set', 'The log level could not be changed', async () => {
    takeLevel(await ask(`log?level=${$('log-level').value}&for=${$('log-for').value}`, { method: 'POST' }));
  });

  onClick('save', 'No profile could be kept', async (button) => {
    const words = button.textContent;
    button.textContent = `Profiling ${$('seconds').value} s…`;
    try {
      await ask(`pprof/saved?seconds=${$('seconds').value}`, { method: 'POST' });
      takeSaved(await ask('pprof/saved'));
    } finally {
      button.textContent = words;
    }
  });

  setInterval(() => { if (!document.hidden) showSwitches(); }, 1000);
  update();
})();
