// SPDX-License-Identifier: Apache-2.0
// Numbers, times and names as people read them. What is not known is a dash.
const NONE = "–";
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const isNumber = (x) => typeof x === "number" && Number.isFinite(x);

export function count(x) {
  return isNumber(x) ? grouped.format(x).replace(/,/g, "\u202f") : NONE;
}

/** Four significant digits, without an exponent where one can do without. */
export function figure(x, digits = 4) {
  if (!isNumber(x)) return NONE;
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e12 || size < 1e-5 ? x.toExponential(2) : size >= 1000 ? count(Math.round(x)) : String(Number(x.toPrecision(digits)));
  return text.replace("-", "\u2212");
}

export function percent(x, digits = 1) {
  return isNumber(x) ? `${(100 * x).toFixed(x === 0 || x === 1 ? 0 : digits)}\u202f%` : NONE;
}

export function rate(x) {
  if (!isNumber(x)) return NONE;
  return x >= 100 ? count(x) : x >= 10 ? x.toFixed(0) : x.toFixed(x === 0 ? 0 : 1);
}

export function bytes(x) {
  if (!isNumber(x)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; x >= 1024 && i < units.length - 1; i++) x /= 1024;
  return `${i === 0 || x >= 100 ? x.toFixed(0) : x.toFixed(1)}\u202f${units[i]}`;
}

/** A length of time from seconds. */
export function span(s) {
  if (!isNumber(s)) return NONE;
  if (s < 1e-3) return `${(s * 1e6).toFixed(0)}\u202fµs`;
  if (s < 1) return `${(s * 1e3).toFixed(s < 0.01 ? 1 : 0)}\u202fms`;
  if (s < 90) return `${s < 10 ? s.toFixed(1).replace(/\.0$/, "") : s.toFixed(0)}\u202fs`;
  if (s < 5400) return `${Math.round(s / 60)}\u202fmin`;
  if (s < 129600) return `${Math.round(s / 3600)}\u202fh`;
  return `${Math.round(s / 86400)}\u202fdays`;
}

/** How long ago a moment of the server was, by the server's clock. */
export function ago(text, nowMs) {
  const s = (nowMs - Date.parse(text)) / 1000;
  if (!isNumber(s)) return NONE;
  return s < 0 ? "in " + span(Math.ceil(-s)) : s < 5 ? "just now" : span(Math.round(s)) + " ago";
}

/** "2026-11-28 19:04 UTC": the server's times are UTC, whatever zone the reader is in. */
export function moment(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? NONE : at.toISOString().slice(0, 16).replace("T", " ") + " UTC";
}

export function plural(n, one, many = one + "s") {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A text as one word of a shell's command line. */
export function quoted(text) {
  return /^[\w@.:/=-]+$/.test(text) ? text : "'" + String(text).replace(/'/g, "'\\''") + "'";
}

const EVENTS = {
  registered: "was registered", promoted: "was promoted", rolled_back: "was rolled back to",
  "gate.set": "has a new gate", "gate.opened": "was let through by its gate", "gate.refused": "was refused by its gate", "experiment.started": "is tried in an experiment", "experiment.stopped": "is tried no more: the experiment ended", "split.ended": "answers all requests again",
};
const WHOLE = { split: "requests were split", shadow: "the shadow was set" }; // of a route, whatever version they are filed under

/** A record of the history in words. */
export function event(e) {
  if (WHOLE[e.event]) return WHOLE[e.event];
  const known = EVENTS[e.event] ?? e.event.replace(/[._]/g, " ");
  return e.version == null ? known : `version ${e.version} ${known}`;
}

export { NONE };
