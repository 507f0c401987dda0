// What the pages share. Names come from anywhere: they reach the page as text nodes only.
const SVG = "http://www.w3.org/2000/svg";

export const $ = id => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {}))
    if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  element.append(...children.filter(c => c !== null && c !== undefined).map(c => c instanceof Node ? c : String(c)));
  return element;
}
export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Makes the children of `parent` those of `items`, by key: who is there already stays, with its focus.
export function keyed(parent, items, keyOf, make, update) {
  const old = new Map([...parent.children].map(child => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = old.get(key);
    if (child) old.delete(key);
    else { child = make(item); child.dataset.key = key; }
    if (child !== at) parent.insertBefore(child, at);
    else at = at.nextElementSibling;
    update(child, item);
  }
  for (const child of old.values()) child.remove();
}

// Children of one kind, in order, reused from call to call.
export function pooled(parent, items, make, update) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  items.forEach((item, i) => {
    if (i === parent.children.length) parent.append(make());
    update(parent.children[i], item, i);
  });
}

// ---- Words and numbers

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
export function bytes(value, digits = 1) {
  let unit = 0;
  while (value >= 1023.95 && unit < UNITS.length - 1) { value /= 1024; ++unit; }
  return value.toFixed(unit === 0 || value >= 100 ? 0 : digits).replace(/\.0+$/, "") + " " + UNITS[unit];
}
export const count = value => Math.round(value).toLocaleString("en");
export function short(value) {
  for (const [size, name] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]])
    if (value >= size) return (value / (name === "k" ? 1e3 : size)).toFixed(1) + " " + name;
  return value >= 100 || value === Math.round(value) ? String(Math.round(value)) : value.toFixed(1);
}
export const plural = (n, noun) => count(n) + " " + noun + (n === 1 ? "" : "s");
export function duration(ms) {
  if (ms < 1000) return Math.round(ms) + " ms";
  const s = ms / 1000;
  if (s < 60) return s.toFixed(s < 10 ? 1 : 0) + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + Math.floor(s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor(s % 86400 / 3600) + " h";
}
export const seconds = s => s < 0.001 ? Math.round(s * 1e6) + " µs" : s < 1 ? (s * 1e3).toFixed(s < 0.01 ? 2 : 1) + " ms"
  : s.toFixed(2) + " s";
const two = n => String(n).padStart(2, "0");
export function clock(unixMs, millis = false) {
  const t = new Date(unixMs);
  return two(t.getHours()) + ":" + two(t.getMinutes()) + ":" + two(t.getSeconds()) +
    (millis ? "." + String(t.getMilliseconds()).padStart(3, "0") : "");
}

// ---- Pieces

export function tiles(parent, values) {
  pooled(parent, values, () => el("div", {}, el("dt"), el("dd", {}, el("span"), " ", el("small"))), (tile, [name, value, more]) => {
    setText(tile.firstChild, name);
    setText(tile.querySelector("span"), value);
    setText(tile.querySelector("small"), more || "");
  });
}

export function logList(parent, lines) {
  const end = parent.scrollTop + parent.clientHeight > parent.scrollHeight - 20;
  keyed(parent, lines, line => line.number,
    line => el("li", {class: line.level}, el("span", {class: "soft"}, clock(line.unix_ms) + " "),
      line.level === "info" ? "" : line.level + " ", line.text), () => 0);
  if (end) parent.scrollTop = parent.scrollHeight;
}

let told = "";
export function announce(text) {
  if (text === told) return;
  told = text;
  $("announce").textContent = text;
}

// ---- The stream of states

// Calls `show` for each state of the page. Says when the server is lost, and comes back by itself. A page that
// nobody sees does not listen.
export function follow(url, show) {
  const live = $("live"), lost = $("lost");
  let source = null, timer = 0, since = 0;
  function mark(state, text) {
    live.dataset.state = state;
    setText(live, text);
  }
  function on() {
    since = 0;
    mark("on", "live");
    lost.hidden = true;
  }
  function off(why) {
    if (!since) since = Date.now();
    mark("off", "no connection");
    setText(lost, why + " What you see is of " + clock(since) + "; this page tries again by itself.");
    lost.hidden = false;
  }
  function stop() {
    clearTimeout(timer);
    if (source) source.close();
    source = null;
  }
  async function again() {  // A refusal ends an EventSource for good, and does not say why.
    stop();
    let why = "The server does not answer.";
    try {
      const answer = await fetch(url, {method: "HEAD", cache: "no-store"});
      if (!answer.ok) why = "The server refuses: " + answer.status + " " + answer.statusText + ".";
    } catch { /* it does not answer */ }
    off(why);
    timer = setTimeout(start, 1000);
  }
  function start() {
    stop();
    if (document.hidden) return mark("", "paused");
    source = new EventSource(url);
    source.addEventListener("state", event => { on(); show(JSON.parse(event.data)); });
    source.onerror = again;
  }
  document.addEventListener("visibilitychange", () => document.hidden ? (stop(), mark("", "paused")) : start());
  addEventListener("pagehide", stop);
  start();
}

// A change that --http-admin permits. Says what came of it.
export async function change(url, body) {
  try {
    const answer = await fetch(url, {method: "POST", headers: {"Content-Type": "application/json"},
      body: JSON.stringify(body || {})});
    announce((await answer.text()).trim());
    return answer.ok;
  } catch {
    announce("the server does not answer");
    return false;
  }
}
