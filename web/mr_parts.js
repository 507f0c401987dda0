// Pieces of both pages of the coordinator.
import {el, setText, setAttribute, count} from "./base.js";

const CHIPS = {succeeded: "good", failed: "bad", cancelled: "warn", mapping: "run", reducing: "run"};

export function stateChip(chip, state) {
  const look = "chip " + (CHIPS[state] || "");
  if (chip.className !== look) chip.className = look;
  setText(chip, state);
}

// A row "maps [=====--   ] 12 / 20": done, the running ones' share, and numbers.
export function phaseBar(name) {
  const done = el("i"), part = el("i", {class: "part"});
  const bar = el("span", {class: "track", role: "progressbar", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100}, done, part);
  const value = el("span", {class: "value"});
  const row = el("div", {class: "phase"}, el("span", {}, name), bar, value);
  row.show = (phase, look) => {
    row.hidden = phase.total === 0;
    const share = phase.total ? phase.succeeded / phase.total : 0;
    done.className = look;
    part.className = "part " + look;
    done.style.width = share * 100 + "%";
    part.style.width = Math.max(0, phase.progress - share) * 100 + "%";
    setAttribute(bar, "aria-valuenow", Math.floor(phase.progress * 100));
    setText(value, count(phase.succeeded) + " / " + count(phase.total) + (phase.running ? ", " + phase.running + " running" : ""));
  };
  return row;
}
