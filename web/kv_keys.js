// The key browser. Keys are bytes: what is no UTF-8 is shown, and may be typed, as \xNN.
import {$, el, setText, pooled, bytes, count} from "./base.js";

const utf8 = new TextDecoder("utf-8", {fatal: true}), encoder = new TextEncoder();
const fromBase64 = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const hex = b => "\\x" + b.toString(16).padStart(2, "0");

export function shown(data) {
  let text;
  try { text = utf8.decode(data); } catch { return Array.from(data, b => b > 31 && b < 127 && b !== 92 ? String.fromCharCode(b) : hex(b)).join(""); }
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\\]/g, c => c === "\\" ? "\\\\" : c === "\n" ? "\\n" : c === "\t" ? "\\t"
    : c.charCodeAt(0) < 256 ? hex(c.charCodeAt(0)) : "\\u" + c.charCodeAt(0).toString(16));
}
function typed(text) {
  const out = [];
  for (const part of text.split(/(\\x[0-9a-fA-F]{2}|\\\\)/))
    if (/^\\x/.test(part)) out.push(parseInt(part.slice(2), 16));
    else out.push(...encoder.encode(part === "\\\\" ? "\\" : part));
  return out;
}
const escaped = data => Array.from(data, b => "%" + b.toString(16).padStart(2, "0")).join("");

export function keys() {
  let last = null;
  async function load(after) {
    const url = "/ui/keys.json?prefix=" + escaped(typed($("prefix").value)) + (after ? "&after=" + escaped(after) : "");
    let answer;
    try {
      answer = await fetch(url, {cache: "no-store"});
    } catch {
      return setText($("keys-said"), "the server does not answer");
    }
    if (!answer.ok) {
      pooled($("keys"), [], null, null);
      return setText($("keys-said"), answer.status === 404 ? "Keys are not shown on this port: it may be for metrics alone." : (await answer.text()).trim());
    }
    const page = await answer.json();
    setText($("keys-said"), page.keys.length === 0 ? "none, at revision " + count(page.revision)
      : count(page.keys.length) + (page.more ? " and more" : after ? ", the last" : "") + ", at revision " + count(page.revision) + " as this member has it");
    pooled($("keys"), page.keys, () => el("tr", {}, el("td", {class: "wrap code"}), el("td", {class: "wrap code"}), el("td", {class: "n"}), el("td", {class: "n"}), el("td", {class: "code"})), (row, kv) => {
      const value = fromBase64(kv.value);
      [shown(fromBase64(kv.key)), shown(value) + (value.length < kv.value_bytes ? " … of " + bytes(kv.value_bytes) : ""), count(kv.mod_revision), count(kv.version), kv.lease]
        .forEach((text, i) => setText(row.children[i], text));
    });
    last = page.keys.length ? fromBase64(page.keys[page.keys.length - 1].key) : null;
    $("next").hidden = !page.more;
    $("first").hidden = !after;
  }
  $("find").addEventListener("submit", event => { event.preventDefault(); load(null); });
  $("first").addEventListener("click", () => { load(null); $("prefix").focus(); });
  $("next").addEventListener("click", () => load(last));
  load(null);
}
