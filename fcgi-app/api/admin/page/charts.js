'use strict';
// Line charts over time, in SVG: a dozen shapes each, of which an update changes the path.
// new Chart({ title, unit, format, lines: [{ key, name }] | keys found later }), then
// draw(times, values, now). The legend's numbers are the chart's words as well.
const Chart = (() => {
  const SVG = 'http://www.w3.org/2000/svg';
  const SPANS = [2, 5, 10].map((minutes) => minutes * 60 * 1000); // as much as there is to see
  const GAP = 7000; // milliseconds without a number: the line is broken
  const EDGE = { left: 44, right: 8, top: 8, bottom: 20 };
  const COLOURS = 8;

  function element(name, attributes = {}, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function html(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // A round number at or above `value`, of which quarters are round enough.
  function ceiling(value, least) {
    const wanted = Math.max(value, least);
    const power = 10 ** Math.floor(Math.log10(wanted));
    return power * [1, 2, 4, 6, 8, 10].find((step) => step * power >= wanted * 0.9999);
  }

  const exactly = (ms) => new Date(ms).toLocaleTimeString('en-GB');
  const clock = (ms) => (ms % 60000 === 0 ? exactly(ms).slice(0, 5) : exactly(ms));

  return class {
    constructor({ title, unit, format, least = 1, filled = false }) {
      Object.assign(this, { title, format, least, filled, lines: [], times: [], cursor: null });
      this.plot = html('div', { class: 'plot', tabindex: '0', role: 'img', 'aria-label': `${title}: no numbers yet` });
      this.svg = element('svg', { 'aria-hidden': 'true', focusable: 'false' });
      this.plot.append(this.svg);
      this.head = html('th', { scope: 'col' }, 'now');
      this.body = html('tbody');
      const columns = html('tr', {}, html('td'), this.head, html('th', { scope: 'col' }, 'least'), html('th', { scope: 'col' }, 'most'));
      this.legend = html('table', { class: 'legend' }, html('thead', {}, columns), this.body);
      const heading = html('h2', {}, `${title} `, html('small', {}, unit));
      this.node = html('article', { class: 'chart', 'aria-label': title }, heading, this.plot, this.legend);
      this.listen();
    }

    listen() {
      this.plot.addEventListener('pointermove', (event) => {
        const box = this.plot.getBoundingClientRect();
        this.point(this.nearest(this.first + (event.clientX - box.left - EDGE.left) / this.width * this.span));
      });
      this.plot.addEventListener('pointerleave', () => this.point(null));
      this.plot.addEventListener('blur', () => this.point(null));
      this.plot.addEventListener('keydown', (event) => {
        const last = this.times.length - 1;
        const at = this.cursor ?? last + 1;
        const to = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 15, PageDown: at + 15, Home: 0, End: last, Escape: null }[event.key];
        if (to === undefined || last < 0) return;
        this.point(to === null ? null : Math.min(Math.max(to, 0), last));
        event.preventDefault();
      });
    }

    nearest(time) {
      let best = null;
      this.times.forEach((at, i) => {
        if (best === null || Math.abs(at - time) < Math.abs(this.times[best] - time)) best = i;
      });
      return best;
    }

    // Show the numbers of one moment; null: those of now.
    point(index) {
      this.cursor = index;
      this.drawCursor();
      this.tell();
    }

    // lines: [{ name, colour, values }], a value for each of `times`, null where there is none.
    draw(lines, times, now) {
      const moment = this.cursor === null ? null : this.times[this.cursor];
      Object.assign(this, { lines, times, last: now, span: SPANS.find((span) => times[0] > now - span) ?? SPANS.at(-1) });
      this.first = now - this.span;
      // Seen from a moment later, what is looked at lies further back.
      this.cursor = moment === null ? null : this.nearest(moment);
      this.render();
    }

    render() {
      const box = this.plot.getBoundingClientRect();
      this.width = Math.max(box.width - EDGE.left - EDGE.right, 10);
      this.height = box.height - EDGE.top - EDGE.bottom;
      const most = Math.max(0, ...this.lines.flatMap(({ values }) => values.filter((value) => value !== null)));
      this.top = ceiling(most, this.least);
      this.svg.replaceChildren(...this.grid(), ...this.lines.flatMap((line) => this.paths(line)));
      this.mark = element('g');
      this.svg.append(this.mark);
      if (!this.lines.some(({ values }) => values.some((value) => value !== null))) {
        this.svg.append(element('text', { class: 'empty', x: EDGE.left + this.width / 2, y: EDGE.top + this.height / 2, 'text-anchor': 'middle' }, 'nothing yet'));
      }
      this.drawCursor();
      this.tell();
    }

    x(time) { return EDGE.left + (time - this.first) / this.span * this.width; }
    y(value) { return EDGE.top + (1 - value / this.top) * this.height; }

    grid() {
      const shapes = [];
      for (let part = 0; part <= 2; part++) {
        const y = this.y(this.top * part / 2);
        shapes.push(element('line', { class: part ? 'grid' : 'axis', x1: EDGE.left, x2: EDGE.left + this.width, y1: y, y2: y }),
          element('text', { x: EDGE.left - 6, y: y + 4, 'text-anchor': 'end' }, this.format(this.top * part / 2)));
      }
      const step = this.span > SPANS[0] ? 120000 : 30000;
      for (let time = Math.ceil(this.first / step) * step; time <= this.last; time += step) {
        const x = this.x(time);
        shapes.push(element('line', { class: 'grid', x1: x, x2: x, y1: EDGE.top, y2: EDGE.top + this.height }));
        if (x > EDGE.left + 14 && x < EDGE.left + this.width - 14) {
          shapes.push(element('text', { x, y: EDGE.top + this.height + 15, 'text-anchor': 'middle' }, clock(time)));
        }
      }
      return shapes;
    }

    paths({ colour, values }) {
      const runs = [];
      let before = -Infinity;
      this.times.forEach((time, i) => {
        if (values[i] === null || time < this.first) return;
        if (time - before > GAP) runs.push([]);
        runs[runs.length - 1].push(`${this.x(time).toFixed(1)},${this.y(values[i]).toFixed(1)}`);
        before = time;
      });
      const kind = `k${colour % COLOURS}`;
      const shapes = runs.map((run) => element('path', { class: `line ${kind}`, d: `M${run.join('L')}${run.length > 1 ? '' : 'h0.1'}` }));
      if (!this.filled) return shapes;
      const floor = this.y(0).toFixed(1);
      return [...runs.map((run) => element('path', { class: `area ${kind}`,
        d: `M${run[0].split(',')[0]},${floor}L${run.join('L')}V${floor}Z` })), ...shapes];
    }

    drawCursor() {
      if (!this.mark) return;
      this.mark.replaceChildren();
      if (this.cursor === null) return;
      const x = this.x(this.times[this.cursor]);
      this.mark.append(element('line', { class: 'cursor', x1: x, x2: x, y1: EDGE.top, y2: EDGE.top + this.height }));
      for (const { colour, values } of this.lines) {
        const value = values[this.cursor];
        if (value !== null) this.mark.append(element('circle', { class: `k${colour % COLOURS}`, cx: x, cy: this.y(value), r: 3 }));
      }
    }

    // The legend, and for who cannot see the lines the same in words.
    tell() {
      const at = this.cursor ?? this.times.length - 1;
      const when = this.cursor === null ? 'now' : exactly(this.times[at]);
      const said = [];
      const show = (value) => (value === null || value === undefined ? '–' : this.format(value));
      this.head.textContent = when;
      this.body.replaceChildren(...this.lines.map(({ name, colour, values }) => {
        const known = values.filter((value) => value !== null);
        const [now, least, most] = [show(values[at]), ...known.length ? [show(Math.min(...known)), show(Math.max(...known))] : ['–', '–']];
        said.push(`${name} ${now}, least ${least}, most ${most}`);
        return html('tr', {}, html('th', { scope: 'row' }, html('span', { class: `swatch k${colour % COLOURS}` }), name),
          html('td', { class: 'latest' }, now), html('td', {}, least), html('td', {}, most));
      }));
      this.plot.setAttribute('aria-label', `${this.title}, ${when}: ${said.join('; ') || 'no numbers yet'}`);
    }
  };
})();
