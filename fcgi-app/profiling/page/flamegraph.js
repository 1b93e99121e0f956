'use strict';
// Draws the profile that the server put into the page. Nothing is fetched, and
// foreign text (function names, routes, paths) only ever becomes textContent.
(() => {
  const ROW = 20;          // pixels, as in the style sheet
  const MIN_WIDTH = 0.6;   // narrower frames are left out
  const MAX_ROWS = 400;    // of the table

  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($('data').textContent);
  const isDiff = data.base !== null;
  // A base that ran longer or shorter is scaled to the same time.
  const scale = isDiff && data.duration > 0 && data.base.duration > 0
    ? data.duration / data.base.duration : 1;

  // --- numbers ------------------------------------------------------------------

  const UNITS = {
    nanoseconds: [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']],
    bytes: [[2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB'], [1, 'B']],
  };

  function format(value, unit = data.unit) {
    const steps = UNITS[unit];
    if (!steps || value === 0) return Math.round(value).toLocaleString('en-US');
    const [size, name] = steps.find(([s]) => Math.abs(value) >= s) || steps[steps.length - 1];
    const scaled = value / size;
    const digits = Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2;
    return `${Number(scaled.toFixed(digits))} ${name}`;
  }

  function percent(part, whole) {
    if (!whole) return '0 %';
    const share = 100 * part / whole;
    return `${Math.abs(share) >= 10 || share === 0 ? share.toFixed(1) : share.toFixed(2)} %`;
  }

  const signed = (value) => (value > 0 ? '+' : value < 0 ? '−' : '±') + format(Math.abs(value));

  // --- the tree -----------------------------------------------------------------

  // Frames of the profile are [name, module, file]; the ones that we add ourselves
  // (routes, processes) get indices behind them.
  const frames = data.frames.map(([name, module, file]) => ({ name, module, file, group: false }));
  const groupFrames = new Map();

  function groupFrame(name) {
    if (!groupFrames.has(name)) {
      groupFrames.set(name, frames.length);
      frames.push({ name, module: -1, file: '', group: true });
    }
    return groupFrames.get(name);
  }

  function newTree() {
    const root = { frame: -1, parent: null, depth: 0, self: 0, base: 0, kids: new Map() };
    return { root, nodes: [root] };
  }

  function child(tree, parent, frame) {
    let node = parent.kids.get(frame);
    if (!node) {
      node = { frame, parent, depth: parent.depth + 1, self: 0, base: 0, kids: new Map() };
      parent.kids.set(frame, node);
      tree.nodes.push(node);
    }
    return node;
  }

  function groupRoot(tree, group, grouping) {
    const [pid, route] = data.groups[group];
    if (grouping === 'route') return child(tree, tree.root, groupFrame(route || 'no route'));
    if (grouping === 'process') return child(tree, tree.root, groupFrame(pid ? `process ${pid}` : 'no process'));
    return tree.root;
  }

  // data.nodes is flat, parents first: parent (or -1 - group), frame, self[, base].
  function mergedTree(grouping) {
    const tree = newTree();
    const width = isDiff ? 4 : 3;
    const made = new Array(data.nodes.length / width);
    for (let i = 0, at = 0; at < data.nodes.length; i++, at += width) {
      const parent = data.nodes[at];
      const above = parent < 0 ? groupRoot(tree, -1 - parent, grouping) : made[parent];
      const node = child(tree, above, data.nodes[at + 1]);
      node.self += data.nodes[at + 2];
      if (isDiff) node.base += data.nodes[at + 3] * scale;
      made[i] = node;
    }
    return tree;
  }

  function invertedTree(straight) {
    const tree = newTree();
    for (const leaf of straight.nodes) {
      if (leaf.self === 0 && leaf.base === 0) continue;
      let node = tree.root;
      for (let at = leaf; at.parent; at = at.parent) node = child(tree, node, at.frame);
      node.self += leaf.self;
      node.base += leaf.base;
    }
    return tree;
  }

  // In a difference a frame is as wide as the larger of its two values, so that
  // what has gone is seen as well.
  function addUp(tree) {
    for (const node of tree.nodes) {
      node.total = node.self;
      node.totalBase = node.base;
      node.width = isDiff ? Math.max(node.self, node.base, 0) : Math.max(node.self, 0);
    }
    for (let i = tree.nodes.length - 1; i > 0; i--) {
      const { parent, total, totalBase, width } = tree.nodes[i];
      parent.total += total;
      parent.totalBase += totalBase;
      parent.width += width;
    }
    for (const node of tree.nodes) {
      node.sorted = [...node.kids.values()].sort((a, b) => b.width - a.width || a.frame - b.frame);
    }
    return tree;
  }

  // --- colours ------------------------------------------------------------------

  function hash(text) {
    let h = 2166136261;
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
    return h >>> 0;
  }

  const LIBRARY_HUES = [205, 150, 268, 330, 178, 92, 235, 300, 125, 350];
  const moduleWeight = data.modules.map(() => 0);
  for (let at = 0, width = isDiff ? 4 : 3; at < data.nodes.length; at += width) {
    const { module } = frames[data.nodes[at + 1]];
    if (module >= 0) moduleWeight[module] += Math.abs(data.nodes[at + 2]);
  }
  // The heaviest libraries get the hues that differ most. Module 0 is the program itself.
  const moduleHue = new Map();
  moduleWeight.map((weight, module) => [weight, module])
    .filter(([, module]) => module > 0 && !isAnonymous(data.modules[module]))
    .sort((a, b) => b[0] - a[0])
    .forEach(([, module], i) => moduleHue.set(module, LIBRARY_HUES[i % LIBRARY_HUES.length]));

  function isAnonymous(module) {
    return module.startsWith('[');
  }

  function moduleColour(module) {
    if (module === 0) return { hue: 28, chroma: 1 };
    if (!moduleHue.has(module)) return { hue: 30, chroma: 0.1 };
    return { hue: moduleHue.get(module), chroma: 0.62 };
  }

  function paint(element, node) {
    const style = element.style;
    const frame = frames[node.frame];
    if (isDiff) {
      const larger = Math.max(node.total, node.totalBase, 1);
      const change = (node.total - node.totalBase) / larger;
      style.setProperty('--hue', change > 0 ? 4 : 216);
      style.setProperty('--chroma', Math.min(1, Math.abs(change) * 1.3 + (Math.abs(change) > 0.02 ? 0.12 : 0)).toFixed(3));
      return;
    }
    const { hue, chroma } = moduleColour(frame.module);
    const noise = hash(frame.name);
    style.setProperty('--hue', hue + (frame.module === 0 ? noise % 26 - 10 : noise % 12 - 6));
    style.setProperty('--chroma', chroma);
    style.setProperty('--step', `${(noise >>> 8) % 7 - 3}%`);
  }

  function drawLegend() {
    const entry = (text, hue, chroma) => {
      const span = document.createElement('span');
      const dot = document.createElement('i');
      dot.style.setProperty('--hue', hue);
      dot.style.setProperty('--chroma', chroma);
      span.append(dot, text);
      $('legend').append(span);
    };
    if (isDiff) {
      entry('more than in the base', 4, 1);
      entry('unchanged', 4, 0);
      entry('less than in the base', 216, 1);
      return;
    }
    data.modules.map((name, module) => ({ name, module, weight: moduleWeight[module] }))
      .filter(({ weight }) => weight > 0)
      .sort((a, b) => (b.module === 0) - (a.module === 0) || b.weight - a.weight)
      .slice(0, 9)
      .forEach(({ name, module }) => {
        const { hue, chroma } = moduleColour(module);
        entry(name, hue, chroma);
      });
  }

  // --- the graph ----------------------------------------------------------------

  const state = { grouping: 'none', inverted: false, zoom: null, search: null, focus: null };
  let straight = addUp(mergedTree('none'));
  let tree = straight;
  let drawn = new Map(); // node to element

  const nameOf = (node) => (node.parent ? frames[node.frame].name : 'all');
  const isMatch = (node) => state.search !== null && node.parent && state.search.test(nameOf(node));

  function place(node, left, width, fullWidth) {
    const element = document.createElement('div');
    element.className = 'frame';
    element.setAttribute('role', 'treeitem');
    element.setAttribute('aria-level', node.depth + 1);
    element.tabIndex = -1;
    element.style.left = `${left}px`;
    element.style.width = `${Math.max(width, 1)}px`;
    element.style.top = `${node.depth * ROW}px`;
    if (node.parent) paint(element, node);
    else element.classList.add('root');
    if (width < 8) element.classList.add('thin');
    if (width >= 24) element.textContent = node.parent ? nameOf(node) : rootText();
    else element.setAttribute('aria-label', nameOf(node));
    if (width === fullWidth && state.zoom && node.depth < state.zoom.depth) element.classList.add('above');
    if (isMatch(node)) element.classList.add('match');
    element.node = node;
    drawn.set(node, element);
    return element;
  }

  function rootText() {
    return `all: ${format(tree.root.total)}` + (isDiff ? ` (${signed(tree.root.total - tree.root.totalBase)})` : '');
  }

  function draw() {
    const graph = $('graph');
    const zoom = state.zoom || tree.root;
    const fullWidth = graph.clientWidth;
    const fragment = document.createDocumentFragment();
    drawn = new Map();
    for (let node = zoom.parent; node; node = node.parent) fragment.append(place(node, 0, fullWidth, fullWidth));

    let rows = zoom.depth + 1;
    const pixel = zoom.width > 0 ? fullWidth / zoom.width : 0;
    const stack = [[zoom, 0]];
    while (stack.length > 0) {
      const [node, left] = stack.pop();
      const width = node === zoom ? fullWidth : node.width * pixel;
      fragment.append(place(node, left, width, node === zoom ? 0 : fullWidth));
      rows = Math.max(rows, node.depth + 1);
      let at = left;
      for (const kid of node.sorted) {
        const kidWidth = kid.width * pixel;
        if (kidWidth < MIN_WIDTH) break;
        stack.push([kid, at]);
        at += kidWidth;
      }
    }
    graph.replaceChildren(fragment);
    graph.style.height = `${rows * ROW + 2}px`;
    graph.classList.toggle('searching', state.search !== null);
    $('reset').disabled = zoom === tree.root;
    const focus = drawn.get(state.focus) || drawn.get(zoom);
    if (focus) focus.tabIndex = 0;
    showMatched();
  }

  // The share of all that is below (or in) a matching frame, each counted once.
  function showMatched() {
    if (state.search === null) {
      $('matched').textContent = '';
      return;
    }
    let sum = 0;
    const stack = [tree.root];
    while (stack.length > 0) {
      const node = stack.pop();
      if (isMatch(node)) sum += isDiff ? node.width : node.total;
      else for (const kid of node.sorted) stack.push(kid);
    }
    $('matched').textContent = `${percent(sum, isDiff ? tree.root.width : tree.root.total)} matched`;
  }

  function rebuild() {
    straight = addUp(mergedTree(state.grouping));
    tree = state.inverted ? addUp(invertedTree(straight)) : straight;
    state.zoom = null;
    state.focus = null;
    draw();
  }

  function zoomTo(node, focus) {
    state.zoom = node === tree.root ? null : node;
    state.focus = node;
    hideTip();
    draw();
    if (focus && drawn.get(node)) drawn.get(node).focus({ preventScroll: true });
  }

  // --- the tip ------------------------------------------------------------------

  function tipLine(tag, text, className) {
    const line = document.createElement(tag);
    line.textContent = text;
    if (className) line.className = className;
    return line;
  }

  function showTip(node, x, y) {
    const tip = $('tip');
    const whole = tree.root;
    const frame = node.parent ? frames[node.frame] : null;
    tip.replaceChildren(tipLine('b', nameOf(node)));
    tip.append(tipLine('div', `${format(node.total)}, ${percent(node.total, whole.total)} of all`
      + (state.inverted || node.self === 0 || node.total === node.self ? '' : `; itself ${format(node.self)}`)));
    if (isDiff) {
      const change = node.total - node.totalBase;
      tip.append(tipLine('div', `${signed(change)} against ${format(node.totalBase)} in the base`,
        change > 0 ? 'more' : 'less'));
    }
    if (frame && !frame.group) {
      const where = [data.modules[frame.module], frame.file].filter(Boolean).join(' · ');
      if (where) tip.append(tipLine('small', where));
    }
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${y + 20 + box.height > innerHeight ? Math.max(8, y - box.height - 12) : y + 20}px`;
  }

  function hideTip() {
    $('tip').hidden = true;
  }

  // --- keys and mouse -----------------------------------------------------------

  function siblings(node) {
    return node.parent ? node.parent.sorted.filter((each) => drawn.has(each)) : [node];
  }

  function neighbour(node, key) {
    if (key === 'ArrowUp') return node.parent;
    if (key === 'ArrowDown') return node.sorted.find((kid) => drawn.has(kid));
    const row = siblings(node);
    return row[row.indexOf(node) + (key === 'ArrowRight' ? 1 : -1)];
  }

  function onGraphKey(event) {
    const node = event.target.node;
    if (!node) return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      zoomTo(node, true);
    } else if (event.key.startsWith('Arrow')) {
      event.preventDefault();
      const next = drawn.get(neighbour(node, event.key));
      if (!next) return;
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      state.focus = next.node;
    }
  }

  function onFocus(event) {
    if (!event.target.node || !event.target.matches(':focus-visible')) return;
    const box = event.target.getBoundingClientRect();
    showTip(event.target.node, box.left, box.bottom - 16);
  }

  function onKey(event) {
    if (event.key === '/' && event.target.tagName !== 'INPUT') {
      event.preventDefault();
      $('search').select();
    } else if (event.key === 'Escape') {
      if (event.target === $('search')) setSearch('');
      hideTip();
      zoomTo(tree.root, event.target.node !== undefined);
    }
  }

  // --- search -------------------------------------------------------------------

  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

  function toPattern(text) {
    try {
      return new RegExp(text, 'i');
    } catch (error) {
      return new RegExp(escaped(text), 'i');
    }
  }

  function setSearch(text) {
    $('search').value = text;
    state.search = text === '' ? null : toPattern(text);
    draw();
    drawTable();
  }

  // --- the table ----------------------------------------------------------------

  // Of each function: what was spent in it, and below it, once a stack.
  function functionTotals() {
    const byFrame = new Map();
    const onPath = new Set();
    const visit = (node) => {
      const row = byFrame.get(node.frame)
        || { frame: node.frame, self: 0, total: 0, base: 0, totalBase: 0 };
      byFrame.set(node.frame, row);
      row.self += node.self;
      row.base += node.base;
      const first = !onPath.has(node.frame);
      if (first) {
        row.total += node.total;
        row.totalBase += node.totalBase;
        onPath.add(node.frame);
      }
      return first;
    };
    // By hand instead of by recursion: stacks may be thousands deep.
    const stack = straight.root.sorted.map((node) => [node, false]);
    while (stack.length > 0) {
      const [node, leaving] = stack.pop();
      if (leaving) {
        onPath.delete(node.frame);
        continue;
      }
      if (visit(node)) stack.push([node, true]);
      for (const kid of node.sorted) stack.push([kid, false]);
    }
    return [...byFrame.values()].filter(({ frame }) => !frames[frame].group)
      .map((row) => ({ ...row, name: frames[row.frame].name, change: row.self - row.base,
        totalChange: row.total - row.totalBase }));
  }

  const functions = functionTotals();
  const columns = [
    { key: 'self', title: 'Self' },
    { key: 'self', title: '%', share: true },
    isDiff && { key: 'change', title: 'Change', change: true },
    { key: 'total', title: 'Total' },
    { key: 'total', title: '%', share: true },
    isDiff && { key: 'totalChange', title: 'Change', change: true },
    { key: 'name', title: 'Function', text: true },
    { key: 'module', title: 'File', text: true, plain: true },
  ].filter(Boolean);
  const sorting = { key: isDiff ? 'totalChange' : 'self', down: true };

  function compareRows(a, b) {
    const order = sorting.key === 'name'
      ? a.name.localeCompare(b.name)
      : magnitude(a[sorting.key]) - magnitude(b[sorting.key]) || a.total - b.total;
    return sorting.down ? -order : order;
  }

  const magnitude = (value) => (isDiff ? Math.abs(value) : value);

  function drawColumns() {
    $('columns').replaceChildren(...columns.map((column) => {
      const cell = document.createElement('th');
      cell.scope = 'col';
      if (column.text) cell.classList.add('text', column.key);
      if (column.share) cell.classList.add('share');
      if (column.share || column.plain) {
        cell.append(tipLine('span', column.title));
        return cell;
      }
      const button = tipLine('button', column.title);
      button.addEventListener('click', () => {
        sorting.down = sorting.key === column.key ? !sorting.down : column.key !== 'name';
        sorting.key = column.key;
        drawTable();
      });
      if (sorting.key === column.key) cell.setAttribute('aria-sort', sorting.down ? 'descending' : 'ascending');
      cell.append(button);
      return cell;
    }));
  }

  function nameCell(row) {
    const cell = tipLine('td', '', 'name');
    const button = tipLine('button', row.name);
    button.title = [row.name, frames[row.frame].file].filter(Boolean).join('\n');
    button.addEventListener('click', () => {
      setSearch(`^${escaped(row.name)}$`);
      $('graph-section').scrollIntoView({ behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
    });
    cell.append(button);
    return cell;
  }

  function tableCell(row, column) {
    if (column.key === 'name') return nameCell(row);
    if (column.key === 'module') {
      const { module } = frames[row.frame];
      return tipLine('td', module >= 0 ? data.modules[module] : '', 'module');
    }
    const value = row[column.key];
    if (column.change) return tipLine('td', value ? signed(value) : '', `number ${value > 0 ? 'more' : 'less'}`);
    if (!column.share) return tipLine('td', format(value), 'number');
    const cell = tipLine('td', percent(value, straight.root.total), 'number share');
    const share = straight.root.total ? 100 * value / straight.root.total : 0;
    cell.style.setProperty('--share', Math.max(0, Math.min(100, share)).toFixed(2));
    return cell;
  }

  function drawTable() {
    drawColumns();
    const found = functions.filter((row) => !state.search || state.search.test(row.name)).sort(compareRows);
    $('rows').replaceChildren(...found.slice(0, MAX_ROWS).map((row) => {
      const line = document.createElement('tr');
      line.append(...columns.map((column) => tableCell(row, column)));
      return line;
    }));
    $('more').textContent = found.length > MAX_ROWS ? `${MAX_ROWS} of ${found.length} functions; search to see others.` : '';
  }

  // --- the head -----------------------------------------------------------------

  function fact(strong, rest) {
    const item = document.createElement('li');
    item.append(tipLine('b', strong), rest ? ` ${rest}` : '');
    $('facts').append(item);
  }

  function drawFacts() {
    const seconds = data.duration / 1e9;
    const overTime = data.unit === 'nanoseconds' && seconds > 0;
    fact(format(data.total), data.label + (seconds > 0 ? ` in ${format(data.duration, 'nanoseconds')}` : '')
      + (overTime && data.kind === 'profile' ? `, ${percent(data.total, data.duration)} of one core` : ''));
    if (isDiff) {
      const base = data.base.total * scale;
      fact(signed(data.total - base), `against ${format(base)} in ${data.base.title || 'the base'}`
        + (scale === 1 ? '' : `, scaled from ${format(data.base.duration, 'nanoseconds')}`));
    }
    if (data.processes) fact(data.processes);
    if (data.kind === 'profile') {
      fact(data.samples.toLocaleString('en-US'), data.samples === 1 ? 'sample' : 'samples');
      if (data.period > 0) fact(`${Math.round(1e9 / data.period)} Hz`);
    }
    if (data.time > 0) fact(new Date(data.time / 1e6).toLocaleString());
    // How many processes there were has been told above.
    for (const comment of data.comments) if (!comment.startsWith('processes ')) fact('', comment);
  }

  function drawEmpty() {
    $('graph').replaceChildren(tipLine('p', data.kind === 'profile'
      ? 'No samples: the processes used no CPU time worth a sample while this was recorded.'
      : 'There is nothing in this profile.', 'empty'));
    $('table-section').hidden = true;
    document.querySelector('.toolbar').hidden = true;
  }

  function chooseDirection(inverted) {
    state.inverted = inverted;
    $('by-caller').setAttribute('aria-pressed', String(!inverted));
    $('by-callee').setAttribute('aria-pressed', String(inverted));
    rebuild();
  }

  function listen() {
    const graph = $('graph');
    graph.addEventListener('click', (event) => event.target.node && zoomTo(event.target.node, false));
    graph.addEventListener('mousemove', (event) => (event.target.node
      ? showTip(event.target.node, event.clientX, event.clientY) : hideTip()));
    graph.addEventListener('mouseleave', hideTip);
    graph.addEventListener('keydown', onGraphKey);
    graph.addEventListener('focusin', onFocus);
    graph.addEventListener('focusout', hideTip);
    document.addEventListener('keydown', onKey);
    $('search').addEventListener('input', () => setSearch($('search').value));
    $('by-caller').addEventListener('click', () => chooseDirection(false));
    $('by-callee').addEventListener('click', () => chooseDirection(true));
    $('grouping').addEventListener('change', () => {
      state.grouping = $('grouping').value;
      rebuild();
    });
    $('reset').addEventListener('click', () => zoomTo(tree.root, false));
    let width = graph.clientWidth;
    new ResizeObserver(() => {
      if (graph.clientWidth === width) return;
      width = graph.clientWidth;
      requestAnimationFrame(draw);
    }).observe(graph);
  }

  document.title = data.title;
  $('title').textContent = data.title;
  drawFacts();
  if (data.nodes.length === 0) {
    drawEmpty();
    return;
  }
  const distinct = (index) => new Set(data.groups.map((group) => group[index])).size;
  $('grouping-label').hidden = distinct(0) < 2 && distinct(1) < 2;
  drawLegend();
  listen();
  draw();
  drawTable();
})();
