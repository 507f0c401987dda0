import {$, el, svg, setText, setAttribute, keyed, pooled, bytes, count, plural, duration, tiles, announce, follow, change} from "./base.js";
import {Chart, niceStep} from "./chart.js";
import {stateChip, phaseBar} from "./mr_parts.js";

const RUNNING = 1, RETRY = 2, STRAGGLER = 4, FAILED = 8;
const ROW = 20, GAP = 4, AXIS = 20, TICKS = 6;
const JOB = location.pathname.split("/")[2];
const KEY = [["map", "map"], ["reduce", "reduce"], ["failed", "failed, or lost with its worker", "failed"], [null, "tried again", "retry"],
  [null, "straggler: so slow that a backup was started", "straggler"], ["backup", "backup"], ["killed", "cancelled"]];

const maps = phaseBar("maps"), reduces = phaseBar("reduces");
$("phases").append(maps, reduces);
const rate = new Chart($("rate"), {name: "Bytes per second by phase", binary: true, least: 1024, format: v => bytes(v) + "/s", time: duration,
  series: [{name: "read by maps", look: "map"}, {name: "read by reduces", look: "reduce"}, {name: "output written", look: "third"}]});

// ---- The timeline

const grid = svg("g"), lanes = svg("g"), border = svg("line", {class: "border", visibility: "hidden"});
$("plot").append(grid, border, lanes);
let total = 1;
const percent = ms => Math.max(0, Math.min(100, ms / total * 100));

function axis(height) {
  const whole = total / 1000, step = niceStep(Math.max(whole, 0.001), TICKS), marks = [];
  for (let i = 0; i * step <= whole * 1.0001; ++i) marks.push(i * step);
  pooled(grid, marks, () => svg("g", {}, svg("line", {class: "grid", y1: 0}), svg("text", {})), (mark, at, i) => {
    const x = at / whole * 100;
    const [line, text] = mark.children;
    setAttribute(line, "x1", x + "%"); setAttribute(line, "x2", x + "%"); setAttribute(line, "y2", height);
    setAttribute(text, "x", x + "%"); setAttribute(text, "y", height + 15);
    setAttribute(text, "class", i % 2 ? "odd" : "");
    setAttribute(text, "text-anchor", i === 0 ? "start" : x > 94 ? "end" : "middle");
    setText(text, at === 0 ? "0" : whole < 1 ? Math.round(at * 1000) + " ms" : whole < 120 ? +at.toFixed(2) + " s" : +(at / 60).toFixed(1) + " min");
  });
}

function barTitle([from, to, look, attempts, flags, task, progress]) {
  if (attempts > 1) return attempts + " attempts from " + duration(from) + " to " + duration(to) + (flags & FAILED ? ", some failed" : "");
  const how = flags & RUNNING ? "running, " + Math.floor(progress * 100) + " %" : look === "failed" ? "failed" : look === "killed" ? "cancelled" : "done";
  return task + ": " + how + " after " + duration(to - from) + (flags & STRAGGLER ? ", straggler" : "") + (look === "backup" ? ", backup" : "") +
    (flags & RETRY ? ", tried again" : "");
}

function showBar(rect, bar, y, height) {
  const [from, to, look, attempts, flags] = bar;
  const x = percent(from), width = Math.max(percent(to) - x, 0.15);
  setAttribute(rect, "class", "bar " + look + (flags & RUNNING ? " running" : "") + (flags & STRAGGLER ? " straggler" : "") + (flags & RETRY ? " retry" : ""));
  setAttribute(rect, "data-n", attempts);
  setAttribute(rect, "x", Math.min(x, 100 - width).toFixed(3) + "%");
  setAttribute(rect, "width", width.toFixed(3) + "%");
  setAttribute(rect, "y", y + 1); setAttribute(rect, "height", height - 2);
  setText(rect.firstChild, barTitle(bar));
}

const markOf = ([, , , , flags]) => flags & FAILED ? "failed" : flags & STRAGGLER ? "straggler" : flags & RETRY ? "retry" : null;

function timeline(of) {
  total = Math.max(of.total_ms, 1);
  const rows = of.lanes.reduce((sum, lane) => sum + Math.max(lane.rows.length, 1), 0), row = rows > 40 ? ROW - 6 : ROW;
  let height = 0;
  const tops = of.lanes.map(lane => { const top = height; height += Math.max(lane.rows.length, 1) * row + GAP; return top; });
  const heightOf = i => Math.max(of.lanes[i].rows.length, 1) * row + GAP;
  pooled($("lanes"), of.lanes, () => el("span"), (name, lane, i) => {
    setText(name, lane.name.replace(/^worker /, ""));
    setAttribute(name, "title", lane.name);
    name.style.height = name.style.lineHeight = heightOf(i) + "px";
  });
  setAttribute($("plot"), "height", height + AXIS);
  axis(height);
  const x = percent(of.maps_ms) + "%";
  for (const [name, value] of [["x1", x], ["x2", x], ["y1", 0], ["y2", height], ["visibility", of.maps_ms > 0 && reducing ? "visible" : "hidden"]])
    setAttribute(border, name, value);
  pooled(lanes, of.lanes, () => svg("g", {}, svg("g"), svg("g")), (group, lane, i) => {
    setAttribute(group, "data-lane", lane.name);
    const bars = lane.rows.flatMap((list, r) => list.map(bar => [bar, tops[i] + GAP / 2 + r * row]));
    pooled(group.children[0], bars, () => svg("rect", {rx: 3}, svg("title")), (rect, [bar, y]) => showBar(rect, bar, y, row));
    pooled(group.children[1], bars.filter(([bar]) => markOf(bar)), () => svg("use"), (use, [bar, y]) => {
      setAttribute(use, "href", "#m-" + markOf(bar));
      setAttribute(use, "x", percent(bar[0]).toFixed(3) + "%");
      setAttribute(use, "y", y + (row - ROW) / 2);
    });
  });
  setText($("left-out"), of.lanes_left_out ? "Not drawn for want of room: " + plural(of.lanes_left_out, "more worker") + " with " +
    plural(of.attempts_left_out, "attempt") + "." : "");
  const all = of.lanes.flatMap(lane => lane.rows.flat().map(bar => [lane.name, bar])), running = all.filter(([, bar]) => bar[4] & RUNNING);
  setAttribute($("plot"), "aria-label", "Attempts on " + plural(of.lanes.length, "worker") + " over " + duration(of.total_ms) + ": " + running.length + " running, " +
    all.filter(([, bar]) => bar[4] & FAILED).length + " failed or lost, " + all.filter(([, bar]) => bar[4] & STRAGGLER).length + " stragglers, " +
    all.filter(([, bar]) => bar[4] & RETRY).length + " tried again. Lists of those that run and of stragglers and retries follow.");
  pooled($("running"), running.slice(0, 64), () => el("li"), (item, [lane, bar]) => setText(item, bar[5] + " on " + lane.replace(/^worker /, "") + ", " +
    Math.floor(bar[6] * 100) + " %" + (bar[4] & STRAGGLER ? ", straggler" : "") + (bar[2] === "backup" ? ", backup" : "") + (bar[4] & RETRY ? ", retry" : "")));
  if (!running.length) pooled($("running"), [0], () => el("li"), item => setText(item, "nothing"));
}
let reducing = false;

pooled($("key"), KEY, () => el("li", {}, svg("svg", {width: 16, height: 20, "aria-hidden": "true"}), el("span")), (item, [look, text, mark]) => {
  if (look) item.firstChild.append(svg("rect", {class: look, x: 1, y: 3, width: 14, height: 14, rx: 3}));
  if (mark) item.firstChild.append(svg("use", {href: "#m-" + mark, x: 1}));
  setText(item.lastChild, text);
});

// ---- Lists

function attemptText(a) {
  const long = duration(a.end_ms - a.start_ms), kind = a.kind === "first" ? "" : " (" + a.kind + ")";
  return "attempt " + a.number + kind + " on " + a.lane + ": " + (a.end === "running" ? "running for " : a.end + " after ") + long + (a.note ? ", " + a.note : "");
}

function trouble(state) {
  setText($("trouble-said"), state.trouble_all === 0 ? "None: every task so far was done at the first attempt."
    : plural(state.trouble_all, "task") + " needed more than one attempt; " + count(state.backups_won) + " of " + plural(state.backups, "backup") + " won." +
      (state.trouble_all > state.trouble.length ? " The first " + state.trouble.length + " are shown." : ""));
  keyed($("trouble"), state.trouble, one => one.task, () => el("li", {}, el("span", {class: "name"}), el("ul", {class: "list small"})), (item, one) => {
    setText(item.firstChild, one.task);
    pooled(item.lastChild, one.attempts.slice(0, 12), () => el("li"), (line, a) => setText(line, attemptText(a)));
  });
}

function tails(list) {
  $("tails-section").hidden = list.length === 0;
  keyed($("tails"), list, one => one.task + "/" + one.attempt, () => el("li", {}, el("span", {class: "name"}), el("p", {class: "small"}),
    el("pre", {tabindex: 0, role: "region", "aria-label": "standard error"})), (item, one) => {
    setText(item.children[0], one.task + ", attempt " + one.attempt + " on " + one.lane);
    setText(item.children[1], one.note);
    setText(item.children[2], one.stderr);
  });
}

function show(state) {
  const gone = state.kind === "none";
  $("gone").hidden = !gone;
  $("page").hidden = gone;
  if (gone) return;
  document.title = state.name + ": " + state.state;
  setText($("name"), state.name + " #" + state.job);
  stateChip($("state"), state.state);
  setText($("where"), "to " + state.output);
  $("report").hidden = !state.ended;
  $("report").href = "/jobs/" + state.job + "/report";
  $("cancel").hidden = state.ended || !state.admin;
  $("failure").hidden = !state.failure;
  if (state.failure) {
    setText($("failure").firstChild, state.failure.message + (state.failure.worker ? " (worker " + state.failure.worker + ")" : ""));
    setText($("failure").lastChild, state.failure.stderr);
    $("failure").lastChild.hidden = !state.failure.stderr;
  }
  reducing = state.reduces.total > 0;
  tiles($("tiles"), [["Time", duration(state.elapsed_ms)], ["Input read", bytes(state.input_bytes_read), "of " + bytes(state.input_bytes)],
    ["Reduces read", bytes(state.reduce_input_bytes)], ["Output", bytes(state.output_bytes)], ["Running", count(state.maps.running + state.reduces.running), "tasks"],
    ["Attempts", count(state.attempts)], ["Failed", count(state.failures)], ["Backups", count(state.backups), count(state.backups_won) + " won"]]);
  maps.show(state.maps, "map");
  reduces.show(state.reduces, "reduce");
  timeline(state.timeline);
  const per = state.bytes_per_second;
  rate.show(per.map.map((_, i) => (i + 0.5) * per.step_ms), [per.map, per.reduce, per.output]);
  trouble(state);
  tails(state.tails);
  pooled($("counters"), state.counters, () => el("tr", {}, el("td", {class: "wrap"}), el("td", {class: "wrap"}), el("td", {class: "n"})), (row, counter) =>
    counter.forEach((value, i) => setText(row.children[i], i === 2 ? count(value) : value)));
  announce(state.name + " is " + state.state + ", maps " + Math.floor(state.maps.progress * 10) * 10 + " %, reduces " +
    Math.floor(state.reduces.progress * 10) * 10 + " %, " + count(state.failures) + " failed attempts");
}

$("cancel").addEventListener("click", async () => {
  if (!confirm("Cancel this job? What it wrote is removed.")) return;
  $("cancel").disabled = true;
  await change("/jobs/" + JOB + "/cancel");
  $("cancel").disabled = false;
});

follow("/jobs/" + JOB + "/events", show);
