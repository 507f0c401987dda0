// Line charts over time: SVG stretched to its place, with an axis of text, a key that tells the values under the
// cursor (or the newest), and the arrow keys as well as the pointer.
import {el, svg, setText, setAttribute, pooled, clock} from "./base.js";

const HEIGHT = 130, TOP = 8;

export function niceStep(whole, parts) {
  const raw = whole / parts, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map(m => m * power).find(step => step >= raw * 0.999);
}

export class Chart {
  // series: [{name, look}]; format: a value as text; binary: steps of the axis in powers of 1024; least: where the
  // axis ends when there is nothing larger.
  constructor(parent, {name, series, format, binary = false, least = 1, time = clock}) {
    this.name = name; this.least = least; this.series = series; this.format = format; this.binary = binary; this.time = time;
    this.at = null; this.times = []; this.values = series.map(() => []);
    this.key = el("ul", {class: "key"});
    this.scale = el("div", {class: "names scale", "aria-hidden": "true"});
    this.inner = svg("svg", {width: "100%", height: HEIGHT, viewBox: "0 0 1000 " + HEIGHT, preserveAspectRatio: "none"});
    this.lines = series.map(s => svg("path", {class: "curve " + s.look, d: ""}));
    this.inner.append(...this.lines);
    this.grid = svg("g"); this.cursor = svg("line", {class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden"});
    this.labels = svg("g");
    this.plot = svg("svg", {class: "plot", height: HEIGHT + 20, role: "img", tabindex: "0"},
      this.grid, this.inner, this.cursor, this.labels);
    pooled(this.key, series, () => el("li", {}, el("i"), el("span"), el("b")), (item, s) => {
      item.firstChild.className = s.look + (s.look === "map" ? "" : " dash");
      setText(item.children[1], s.name);
    });
    parent.append(this.key, el("div", {class: "chart"}, this.scale, this.plot));
    this.plot.addEventListener("pointermove", e => {
      const box = this.plot.getBoundingClientRect();
      this.point(Math.round((e.clientX - box.left) / box.width * (this.times.length - 1)));
    });
    this.plot.addEventListener("pointerleave", () => this.point(null));
    this.plot.addEventListener("blur", () => this.point(null));
    this.plot.addEventListener("keydown", e => {
      const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20}[e.key];
      if (!step) return;
      e.preventDefault();
      this.point((this.at ?? this.times.length - 1) + step);
    });
  }

  point(at) {
    this.at = at === null || !this.times.length ? null : Math.max(0, Math.min(this.times.length - 1, at));
    this.tell();
  }

  // values: one list for each series, as long as times; null where there is none.
  show(times, values) {
    this.times = times; this.values = values;
    if (this.at !== null && this.at >= times.length) this.at = null;
    const most = Math.max(...values.map(list => list.reduce((m, v) => v > m ? v : m, 0)), this.least);
    let unit = 1;
    while (this.binary && most / unit >= 1024) unit *= 1024;
    const step = niceStep(most / unit, 3) * unit, top = Math.ceil(most / step - 1e-9) * step;
    const y = v => TOP + (1 - v / top) * (HEIGHT - TOP);
    const steps = [];
    for (let v = 0; v <= top * 1.001; v += step) steps.push(v);
    pooled(this.scale, steps, () => el("span"), (mark, v) => {
      setText(mark, v === 0 ? "0" : this.format(v));
      mark.style.top = y(v) + "px";
    });
    pooled(this.grid, steps, () => svg("line", {class: "grid", x1: 0, x2: "100%"}), (line, v) => {
      setAttribute(line, "y1", y(v)); setAttribute(line, "y2", y(v));
    });
    const x = i => times.length < 2 ? 1000 : i / (times.length - 1) * 1000;
    const draw = list => {
      let path = "", gap = true;  // a lone value is a dot as wide as the line
      list.forEach((v, i) => {
        if (v !== null) path += (gap ? "M" : "L") + x(i).toFixed(1) + " " + y(v).toFixed(1) + (gap ? "h.1" : "");
        gap = v === null;
      });
      return path;
    };
    this.lines.forEach((line, k) => setAttribute(line, "d", draw(values[k])));
    const marks = times.length < 2 ? [] : [0, 0.25, 0.5, 0.75, 1];
    pooled(this.labels, marks, () => svg("text", {y: HEIGHT + 15}), (text, share, i) => {
      setAttribute(text, "x", share * 100 + "%");
      setAttribute(text, "class", i % 2 ? "odd" : "");
      setAttribute(text, "text-anchor", share === 0 ? "start" : share === 1 ? "end" : "middle");
      setText(text, this.time(times[Math.round(share * (times.length - 1))]));
    });
    this.tell();
  }

  tell() {
    const last = this.times.length - 1, at = this.at ?? last;
    const percent = this.at === null || last < 1 ? 0 : at / last * 100 + "%";
    setAttribute(this.cursor, "visibility", this.at === null || last < 1 ? "hidden" : "visible");
    setAttribute(this.cursor, "x1", percent); setAttribute(this.cursor, "x2", percent);
    const said = this.series.map((s, k) => {
      const value = last < 0 ? null : this.values[k][at];
      const text = value === null || value === undefined ? "–" : this.format(value);
      setText(this.key.children[k].lastChild, text);
      return s.name + " " + text;
    });
    const when = last < 0 ? "no samples yet" : (this.at === null ? "now" : "at " + this.time(this.times[at]));
    setAttribute(this.plot, "aria-label", this.name + ", " + when + ": " + said.join(", ") + ". Arrow keys move in time.");
  }
}

// Samples of one a second: the past is asked for once, what comes with the events follows on.
export class Samples {
  constructor(url, columns) { this.url = url; this.columns = columns; this.rows = []; this.asked = false; }
  get last() { return this.rows.length ? this.rows[this.rows.length - 1][0] : 0; }
  async take(rows) {
    if (!rows.length) return;
    const newest = rows[rows.length - 1][0];
    if (newest < this.last) this.rows = [];  // the server began anew
    if (rows[0][0] > this.last + 1) {
      if (this.asked) return;
      this.asked = true;
      try {
        const answer = await fetch(this.url, {cache: "no-store"});
        if (answer.ok) this.rows = (await answer.json()).samples;
      } catch { /* with the next event again */ } finally { this.asked = false; }
    }
    this.rows.push(...rows.filter(row => row[0] > this.last));
    if (this.rows.length > 900) this.rows.splice(0, this.rows.length - 900);
  }
  column(i) { return this.rows.map(row => row[i]); }
}
