// SPDX-License-Identifier: Apache-2.0
// Is all well, who answers, what is open, what changed last.
import { now, path, useSignal, useValue, useValues } from "./api.js";
import { html } from "./html.js";
import { serving, trail } from "./live.js";
import { href } from "./route.js";
import { Await, Badge, Card, Empty, Facts, Interval, Table, Tag, Time } from "./ui.js";
import { bytes, count, event, figure, isNumber, NONE, percent, plural, rate, span } from "./words.js";

const N_CHANGES = 8, N_MODELS = 8;

function checks(text) {
  return String(text).split("\n").map((line) => /^\[([+-])\](\S+) \w+(?:: (.*))?$/.exec(line)).filter(Boolean).map(([, sign, name, detail]) => ({ isOk: sign === "+", name, detail }));
}

/** The last minutes of a route's answers a second. */
export function Spark({ route }) {
  const points = useSignal(trail).map((t) => t.routes[route]?.perSecond).filter((v) => v != null).slice(-120);
  if (points.length < 3) return null;
  const most = Math.max(...points, 1);
  const d = points.map((v, i) => `${i ? "L" : "M"}${((100 * i) / (points.length - 1)).toFixed(1)} ${(19 - 17 * (v / most)).toFixed(1)}`).join("");
  return html`<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true"><path d=${d} /></svg>`;
}

export function routeState(r) {
  if (!r.is_loaded) return ["bad", "no model"];
  if (r.is_stale) return ["warn", "older version"];
  if (r.rollout && r.rollout.state === "running") return ["warn", "rolling out"];
  return ["good", "serving"];
}

/** Where the interval of a score lies beside its estimate, on one line for both. */
function Scores({ live }) {
  if (!live || !isNumber(live.value)) return html`<span class="unknown">no labels yet</span>`;
  const e = live.estimate;
  const all = [live.low, live.high, e?.low, e?.high, live.value].filter(isNumber);
  const low = Math.min(...all), high = Math.max(...all), room = (high - low || 0.1) * 0.1;
  const same = { from: low - room, to: high + room };
  return html`<span class="pair"><span>${live.metric} <b>${figure(live.value)}</b></span><${Interval} ...${live} ...${same} label="measured" />
    ${e && html`<span>expected <b>${figure(e.value)}</b></span><${Interval} ...${e} ...${same} label="expected" />`}</span>`;
}

export function Routes({ routes, told }) {
  const fresh = Object.fromEntries((told?.routes ?? []).map((r) => [r.route, r]));
  return html`<${Table} label="Routes" rows=${routes} keyOf=${(r) => r.route} columns=${[
    { title: "Route", isMain: true, cell: (r) => html`<a href=${href(["routes", r.route])}>${r.route}</a>` },
    { title: "State", cell: (r) => { const [is, text] = routeState(r); return html`<${Badge} is=${is}>${text}<//>`; } },
    { title: "Answers", cell: (r) => html`<a href=${href(["models", r.model, "versions", r.version])}>version ${r.version}</a>${r.arms.length > 1 ? html` <${Tag}>split<//>` : ""}${r.shadow ? html` <${Tag}>shadow ${r.shadow.version}<//>` : ""}` },
    { title: "Live score", cell: (r) => html`<${Scores} live=${r.live} />` },
    { title: "Labelled", isNumber: true, cell: (r) => (r.live ? html`${percent(r.live.coverage)}<br /><small>of ${count(r.live.answers)}</small>` : NONE) },
    { title: "Answers/s", isNumber: true, cell: (r) => html`${rate(fresh[r.route]?.answers_per_second)}<${Spark} route=${r.route} />` },
    { title: "p99", isNumber: true, cell: (r) => span(fresh[r.route]?.p99_seconds) },
  ]} />`;
}

function Vitals({ status, told, ready, alerts }) {
  const bad = ready.filter((c) => !c.isOk);
  const total = (told?.routes ?? []).reduce((sum, r) => sum + (r.answers_per_second || 0), 0);
  const p99 = Math.max(0, ...(told?.routes ?? []).map((r) => r.p99_seconds || 0));
  const dropped = status.log.dropped + status.log.killed;
  const open = alerts?.filter((a) => a.state !== "resolved") ?? [];
  const state = bad.length > 0 ? ["bad", "Not well"] : open.length > 0 ? [open.some((a) => a.severity === "critical") ? "bad" : "warn", plural(open.length, "open alert")] : ["good", "All is well"];
  return html`<div class="vitals">
    <div class="vital main"><${Badge} is=${state[0]}>${state[1]}<//><small>${bad.length > 0 ? bad.map((c) => `${c.name}: ${c.detail ?? "failed"}`).join("; ") : `up ${span(status.uptime_s)}, ${plural(status.routes.length, "route")}`}</small></div>
    <div class="vital"><b>${told ? rate(total) : NONE}</b><small>answers a second</small></div>
    <div class="vital"><b>${told && p99 > 0 ? span(p99) : NONE}</b><small>99th percentile</small></div>
    <div class="vital"><b>${count(status.log.written)}</b><small>answers logged${dropped ? `, ${count(dropped)} lost` : ", none lost"}</small></div>
    <div class="vital"><b>${count(status.log.labels.joined)}</b><small>labels joined${status.log.labels.waiting ? `, ${count(status.log.labels.waiting)} waiting` : ""}</small></div>
    <div class="vital"><b>${told ? bytes(told.server.resident_bytes) : NONE}</b><small>memory${told?.server.disk_free_bytes ? `, ${bytes(told.server.disk_free_bytes)} disk free` : ""}</small></div>
  </div>`;
}

const SEVERITY = { critical: "bad", warning: "warn", info: "idle" };
const WEIGHTS = ["critical", "warning", "info"];
/** What weighs most first, else as they came. */
export const byWeight = (alerts) => [...alerts].sort((a, b) => WEIGHTS.indexOf(a.severity) - WEIGHTS.indexOf(b.severity));

export function Alerts({ alerts, limit }) {
  if (alerts.length === 0) return html`<${Empty} command="tidemill monitor alerts --all">Nothing is open.<//>`;
  return html`<ul class="list alerts">${byWeight(alerts).slice(0, limit).map((a) => html`<li key=${a.id}>
    <${Badge} is=${a.state === "resolved" ? "good" : SEVERITY[a.severity] ?? "warn"}>${a.severity ?? a.state}<//>
    <div><a href=${href(["alerts", a.id])}>${a.summary}</a><small>${a.model ? html`<a href=${href(["models", a.model])}>${a.model}</a> · ` : ""}${a.state} · <${Time} at=${a.last ?? a.at ?? a.raised ?? a.first} /></small></div></li>`)}</ul>`;
}

export function Changes({ records }) {
  return html`<ul class="list changes">${records.map((e) => html`<li key=${e.at + e.event}>
    <${Time} at=${e.at} /><div>${e.model && html`<a href=${href(["models", e.model], { tab: "history" })}>${e.model}</a>`} ${event(e)}<small>${e.actor}${e.reason ? ` — ${e.reason}` : ""}</small></div></li>`)}</ul>`;
}

function Start() {
  return html`<h1>Nothing is served yet</h1>
    <${Card} title="From a table to a served model"><ol class="steps">
      <li>Learn to predict a column of a file, and register the model. <br /><code>tidemill train churn.csv --target churned</code></li>
      <li>It answers here as soon as it is registered. <br /><code>curl -d '{"rows": [{"plan": "basic", "months": 2, "tickets": 5, "spend": 19.9}]}' -H 'Content-Type: application/json' ${location.origin}/v1/routes/churn/predict</code></li>
      <li>Tell what came true, and the live score stands on this page. <br /><code>curl -d '{"labels": [{"prediction_id": "ID", "label": "yes"}]}' -H 'Content-Type: application/json' ${location.origin}/v1/labels</code></li>
    </ol><//>`;
}

export function Home() {
  const status = useValue("/v1/status", 5000);
  const alerts = useValue("/v1/alerts", 10000);
  const ready = useValue("/readyz?verbose=1", 10000);
  const told = useSignal(serving);
  const models = (status.value?.routes ?? []).slice(0, N_MODELS).map((r) => r.model);
  const stories = useValues(models.map((m) => path`/v1/models/${m}/history?newest=${N_CHANGES}`), 30000);
  const records = (stories ?? []).filter(Boolean).flatMap((s) => s.history.map((e) => ({ ...e, model: s.model }))).sort((a, b) => (a.at < b.at ? 1 : -1)).slice(0, N_CHANGES);
  return html`<${Await} of=${status}>${(s) => s.routes.length === 0 ? html`<${Start} />` : html`
    <h1 class="sr">Home</h1>
    <${Vitals} status=${s} told=${told} ready=${checks(ready.value)} alerts=${alerts.value?.alerts} />
    <${Card} title="Routes" wide note="what answers, how well, how fast"><${Routes} routes=${s.routes} told=${told} /><//>
    <div class="columns">
      <${Card} title="Open alerts" actions=${html`<a href="#/alerts">All alerts</a>`}><${Await} of=${alerts}>${(a) => html`<${Alerts} alerts=${a.alerts} limit=${6} />`}<//><//>
      <${Card} title="What changed last">${records.length > 0 ? html`<${Changes} records=${records} />` : html`<p class="loading">loading…</p>`}<//>
    </div>`}<//>`;
}
