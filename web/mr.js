import {$, el, setText, keyed, pooled, bytes, count, short, plural, duration, clock, tiles, logList, announce, follow} from "./base.js";
import {Chart, Samples} from "./chart.js";
import {stateChip, phaseBar} from "./mr_parts.js";

const samples = new Samples("/history.json");
const rate = new Chart($("rate"), {name: "Bytes per second", binary: true, least: 1024, format: v => bytes(v) + "/s",
  series: [{name: "read by maps", look: "map"}, {name: "read by reduces", look: "reduce"}]});
const busy = new Chart($("busy"), {name: "Slots and tasks", format: short,
  series: [{name: "slots busy", look: "map"}, {name: "slots", look: "third"}, {name: "tasks done per second", look: "reduce"}]});

function makeJob(job) {
  return el("li", {}, el("div", {class: "head"},
    el("a", {class: "name", href: "/jobs/" + job.job}), el("span", {class: "chip"}), el("span", {class: "soft small right num"})),
    phaseBar("maps"), phaseBar("reduces"), el("p", {class: "soft small num"}));
}

function showJob(item, job) {
  const [head, maps, reduces, more] = item.children;
  setText(head.children[0], job.name + " #" + job.job);
  stateChip(head.children[1], job.state);
  setText(head.children[2], "submitted " + clock(job.submitted_unix_ms) + " · " + duration(job.elapsed_ms));
  maps.show(job.maps, "map");
  reduces.show(job.reduces, "reduce");
  const said = [bytes(job.input_bytes_read) + " of " + bytes(job.input_bytes) + " read", plural(job.attempts, "attempt")];
  if (job.failures) said.push(count(job.failures) + " failed");
  if (job.backups) said.push(plural(job.backups, "backup"));
  if (job.priority) said.push("priority " + job.priority);
  setText(more, said.join(" · "));
}

function makeWorker() {
  return el("li", {}, el("div", {class: "head"}, el("span", {class: "name"}), el("span", {class: "chip"}),
    el("span", {class: "soft small right num"})),
    el("div", {class: "small"}, el("span", {class: "slots", "aria-hidden": "true"}), " ", el("span", {class: "num"})),
    el("ul", {class: "tags", "aria-label": "runs"}));
}

function showWorker(item, worker) {
  const [head, slots, runs] = item.children;
  const late = worker.alive && worker.heard_ms_ago > 1000;
  setText(head.children[0], worker.host || worker.worker);
  head.children[1].className = "chip " + (!worker.alive ? "bad" : late ? "warn" : "good");
  setText(head.children[1], !worker.alive ? "lost" : late ? "late" : "alive");
  setText(head.children[2], "heard of " + duration(worker.heard_ms_ago) + " ago" +
    (worker.speed !== 1 ? " · speed " + worker.speed.toFixed(2) : ""));
  pooled(slots.children[0], Array.from({length: Math.min(worker.slots, 64)}), () => el("i"), (slot, _, i) => {
    slot.className = i < worker.busy ? "on" : "";
  });
  setText(slots.children[1], worker.alive ? worker.busy + " of " + plural(worker.slots, "slot") + " busy" : "its tasks went to others");
  runs.hidden = worker.running.length === 0;
  pooled(runs, worker.running, () => el("li", {class: "num"}), (tag, one) =>
    setText(tag, "#" + one.job + " " + one.task + " " + Math.floor(one.progress * 100) + " %"));
}

async function show(state) {
  $("page").hidden = false;
  const {coordinator} = state, running = state.jobs.filter(job => !["succeeded", "failed", "cancelled"].includes(job.state));
  setText($("who"), (coordinator.role === "standby" ? "standby of " + coordinator.standby_of : "coordinator, life " + coordinator.epoch) +
    (coordinator.admin ? " · with --http-admin" : " · read-only"));
  $("standby").hidden = !coordinator.leader_page;
  if (coordinator.leader_page) {
    $("leader").href = coordinator.leader_page;
    setText($("leader"), coordinator.leader_page);
  }
  await samples.take(state.samples);
  const last = samples.rows[samples.rows.length - 1] || [0, 0, 0, 0, 0, 0, 0];
  tiles($("tiles"), [
    ["Jobs running", count(running.length), "of " + count(state.jobs.length + state.jobs_left_out)],
    ["Workers alive", count(state.alive), "of " + count(state.workers.length + state.workers_left_out)],
    ["Slots busy", count(state.busy), "of " + count(state.slots)],
    ["Maps read", bytes(last[2]) + "/s"], ["Reduces read", bytes(last[3]) + "/s"], ["Tasks done", count(last[4]), "per second"]]);
  keyed($("jobs"), state.jobs, job => job.job, makeJob, showJob);
  setText($("jobs-more"), state.jobs.length === 0 ? "none yet: submit one with trireme mr run --coordinator …"
    : state.jobs_left_out ? "and " + count(state.jobs_left_out) + " older ones" : "");
  keyed($("workers"), state.workers, worker => worker.worker, makeWorker, showWorker);
  setText($("workers-more"), state.workers.length === 0 ? "none yet: start some with trireme mr worker --coordinator …"
    : state.workers_left_out ? "and " + count(state.workers_left_out) + " more" : "");
  rate.show(samples.column(1), [samples.column(2), samples.column(3)]);
  busy.show(samples.column(1), [samples.column(5), samples.column(6), samples.column(4)]);
  logList($("log"), state.log);
  announce(plural(running.length, "job") + " running, " + plural(state.alive, "worker") + " alive");
}

follow("/events", show);
