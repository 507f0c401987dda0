import {$, el, svg, setText, setAttribute, keyed, pooled, bytes, count, short, plural, duration, clock, tiles, logList, announce, follow, change} from "./base.js";
import {Chart, Samples} from "./chart.js";
import {keys} from "./kv_keys.js";

const samples = new Samples("/ui/history.json");
const ms = v => v >= 1000 ? (v / 1000).toFixed(1) + " s" : v >= 10 ? v.toFixed(0) + " ms" : v >= 1 ? v.toFixed(1) + " ms" : v === 0 ? "0" : Math.round(v * 1000) + " µs";
const rate = new Chart($("rate"), {name: "Requests per second", format: short,
  series: [{name: "writes", look: "map"}, {name: "reads", look: "reduce"}]});
const times = [["writes", 4], ["reads", 6]].map(([id, column]) => [new Chart($(id), {name: "Time of " + id, format: ms,
  series: [{name: "median", look: "map"}, {name: "99 %", look: "third"}]}), column]);
const lag = new Chart($("lag"), {name: "Lag and watches", format: short,
  series: [{name: "entries that the farthest member lacks", look: "map"}, {name: "watches", look: "reduce"}]});

let names = new Map(), admin = false;
const nameOf = id => !id ? "nobody" : names.get(id) || id;

// ---- Members

const CHIPS = {leader: "lead", candidate: "warn", "pre-candidate": "warn", follower: "good", learner: "run", unreachable: "bad", unknown: ""};
const roleOf = m => !m.answers && m.asked ? "unreachable" : !m.role ? "unknown" : m.learner && m.role === "follower" ? "learner" : m.role;

const FACTS = ["term", "commit", "applied", "lag", "files"];

function makeMember() {
  const button = el("button", {type: "button", hidden: true}, "Make it lead");
  const item = el("li", {}, el("div", {class: "head"}, el("span", {class: "name"}), el("span", {class: "chip"})),
    el("dl", {class: "facts num"}, ...FACTS.map(name => el("div", {}, el("dt", {}, name), el("dd")))), el("p", {class: "small soft num"}), button);
  button.addEventListener("click", async () => {
    button.disabled = true;
    await change("/ui/move-leader", {to: item.dataset.key});
    button.disabled = false;
  });
  return item;
}

function showMember(item, m, state) {
  const role = roleOf(m), [head, facts, where, button] = item.children;
  setText(head.children[0], (m.name || m.id) + (m.self ? " (this one)" : ""));
  const look = "chip " + (CHIPS[role] ?? "");
  if (head.children[1].className !== look) head.children[1].className = look;
  setText(head.children[1], role);
  button.hidden = !(admin && state.role === "leader" && !m.self && role === "follower");
  const values = role === "unknown" ? FACTS.map(() => "–") : [m.term, count(m.commit), count(m.applied), m.lag ? count(m.lag) : "none", bytes(m.store_bytes)];
  values.forEach((value, i) => setText(facts.children[i].lastChild, value));
  setText(where, (m.client_urls.join(", ") || "no client URL") + " · " + m.id + (m.self || !m.heard_unix_ms ? "" : " · heard of at " + clock(m.heard_unix_ms)));
}

// ---- Elections

const ROLES = [["leader", "leads"], ["candidate", "stands for election"], ["follower", "follows"], ["unreachable", "does not answer"]];
const ROW = 20, GAP = 6, SPAN = 120000;
const roleGrid = svg("g"), roleRows = svg("g");
$("role-plot").append(roleGrid, roleRows);
pooled($("role-key"), ROLES, () => el("li", {}, svg("svg", {width: 16, height: 20, "aria-hidden": "true"}), el("span")), (item, [role, text]) => {
  item.firstChild.append(svg("rect", {class: "role " + role, x: 1, y: 3, width: 14, height: 14, rx: 3}));
  setText(item.lastChild, text);
});

// What each member was from when to when, in the last two minutes.
function spans(state, member, from, now) {
  const look = kind => kind === "pre-candidate" ? "candidate" : kind;
  let role = null, before = null, since = from;
  const out = [];
  const close = (at, next) => {
    if (role && at > since && at > from) out.push([Math.max(since, from), at, role]);
    since = at; role = next;
  };
  for (const e of state.elections.filter(e => e.member === member.id)) {
    if (e.kind === "unreachable") { before = role; close(e.unix_ms, "unreachable"); }
    else if (e.kind === "answers") close(e.unix_ms, before || role);
    else close(e.unix_ms, look(e.kind));
  }
  if (!role) { since = from; role = look(roleOf(member) === "unknown" ? null : member.role); }
  close(now, role);
  return out;
}

function roles(state) {
  const now = state.unix_ms, from = now - SPAN, height = state.members.length * (ROW + GAP);
  const x = at => (at - from) / SPAN * 100;
  pooled($("role-names"), state.members, () => el("span"), (item, m) => {
    setText(item, m.name || m.id);
    item.style.height = item.style.lineHeight = ROW + GAP + "px";
  });
  setAttribute($("role-plot"), "height", height + 20);
  pooled(roleGrid, [0, 30, 60, 90, 120], () => svg("g", {}, svg("line", {class: "grid", y1: 0}), svg("text")), (mark, back, i) => {
    const [line, text] = mark.children, at = 100 - back / SPAN * 1e5;
    setAttribute(line, "x1", at + "%"); setAttribute(line, "x2", at + "%"); setAttribute(line, "y2", height);
    setAttribute(text, "x", at + "%"); setAttribute(text, "y", height + 15); setAttribute(text, "class", i % 2 ? "odd" : "");
    setAttribute(text, "text-anchor", back === 0 ? "end" : back === 120 ? "start" : "middle");
    setText(text, back === 0 ? "now" : back + " s ago");
  });
  pooled(roleRows, state.members, () => svg("g"), (group, m, i) => {
    setAttribute(group, "data-member", m.name || m.id);
    pooled(group, spans(state, m, from, now), () => svg("rect", {rx: 3, height: ROW}, svg("title")), (rect, [a, b, role]) => {
      const width = Math.max(x(b) - x(a), 0.4);
      setAttribute(rect, "class", "role " + role);
      setAttribute(rect, "x", Math.min(x(a), 100 - width).toFixed(2) + "%");
      setAttribute(rect, "width", width.toFixed(2) + "%");
      setAttribute(rect, "y", i * (ROW + GAP) + GAP / 2);
      setText(rect.firstChild, (m.name || m.id) + ": " + role + " from " + clock(a) + " for " + duration(b - a));
    });
  });
  setAttribute($("role-plot"), "aria-label", "The role of each member in the last two minutes. Now: " +
    state.members.map(m => (m.name || m.id) + " " + roleOf(m)).join(", ") + ". The list that follows tells the changes.");
}

function eventText(e) {
  const who = nameOf(e.member);
  switch (e.kind) {
    case "leader": return who + " leads from term " + e.term;
    case "candidate": return who + " stands for election in term " + e.term;
    case "pre-candidate": return who + " asks whether an election could be won, term " + e.term;
    case "unreachable": return who + " does not answer any more";
    case "answers": return who + " answers again";
    default: return e.leader ? who + " follows " + nameOf(e.leader) + " in term " + e.term : who + " knows of no leader in term " + e.term;
  }
}

// ---- All

function alarms(state) {
  const list = state.failure ? [{member: state.self, alarm: "STOPPED", failure: state.failure}, ...state.alarms] : state.alarms;
  keyed($("alarms"), list, a => a.member + a.alarm, a => {
    const button = el("button", {type: "button"}, "Disarm");
    button.addEventListener("click", () => change("/ui/disarm", {member: a.member, alarm: a.alarm}));
    return el("p", {class: "notice bad", role: "alert"}, el("span"), " ", button);
  }, (item, a) => {
    setText(item.firstChild, a.failure ? "This member has stopped: " + a.failure : "Alarm " + a.alarm + " of " + nameOf(a.member) + ": " +
      (a.alarm === "NOSPACE" ? "nothing that grows is taken" : "its data is damaged"));
    item.lastChild.hidden = !admin || !!a.failure;
  });
}

async function show(state) {
  $("page").hidden = false;
  admin = state.admin;
  names = new Map(state.members.map(m => [m.id, m.name || m.id]));
  setText($("who"), state.name + " of cluster " + state.cluster_id + (admin ? " · with --http-admin" : " · read-only"));
  document.title = state.name + ": Trireme KV";
  $("leading").className = "notice " + (state.leader ? "good" : "bad");
  const leading = state.leader ? nameOf(state.leader) + " leads in term " + state.term : "No leader: an election is held in term " + state.term;
  setText($("leading"), leading);
  alarms(state);
  await samples.take(state.samples);
  const last = samples.rows[samples.rows.length - 1] || Array(12).fill(0);
  tiles($("tiles"), [["Writes", short(last[2]), "per second"], ["Reads", short(last[3]), "per second"],
    ["Writes, 99 %", last[5] ? ms(last[5]) : "–"], ["Revision", count(state.revision), state.compacted ? "compacted to " + count(state.compacted) : ""],
    ["Keys", count(state.keys) + (state.keys_more ? "+" : "")], ["Files", bytes(state.store_bytes)], ["Watches", count(state.watches)],
    ["Leases", count(state.leases)], ["Connections", count(state.connections)], ["Changes of leader", count(state.leader_changes), "seen"]]);
  keyed($("members"), state.members, m => m.id, makeMember, (item, m) => showMember(item, m, state));
  roles(state);
  keyed($("elections"), [...state.elections].reverse(), e => e.unix_ms + e.member + e.kind + e.term + e.leader, e =>
    el("li", {class: e.kind === "unreachable" ? "error" : e.kind.includes("candidate") ? "warn" : ""}, el("span", {class: "soft num"}, clock(e.unix_ms, true) + " "), el("span")),
  (item, e) => setText(item.lastChild, eventText(e)));
  const t = samples.column(1);
  rate.show(t, [samples.column(2), samples.column(3)]);
  for (const [chart, column] of times)  // none in that second: a gap
    chart.show(t, [column, column + 1].map(i => samples.column(i).map(v => v || null)));
  lag.show(t, [samples.column(9), samples.column(10)]);
  logList($("log"), state.log);
  announce(leading + "; " + state.members.filter(m => roleOf(m) !== "unreachable").length + " of " + state.members.length + " members answer");
}

keys();
follow("/ui/events", show);
