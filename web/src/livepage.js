// SPDX-License-Identifier: Apache-2.0
// How the answers of a route fare: measured beside expected, how much is labelled, traffic and latency by hours and as it comes, with deploys as marks.
import { path, useSignal, useValue } from "./api.js";
import { Chart } from "./chart.js";
import { html } from "./html.js";
import { serving, trail } from "./live.js";
import { href } from "./route.js";
import { Await, Badge, Card, Command, Empty, Field, Interval, Table, Time } from "./ui.js";
import { count, figure, isNumber, NONE, percent, quoted, rate, span } from "./words.js";

/** The time that a share of requests took at most, straight within a cell. */
export function quantile(times, bounds, share) {
  const all = times.reduce((a, b) => a + b, 0);
  let before = 0;
  if (all === 0) return null;
  for (let i = 0; i < times.length; i++) {
    if (before + times[i] >= share * all && times[i] > 0) {
      const low = i === 0 ? 0 : bounds[i - 1], high = bounds[i] ?? bounds[bounds.length - 1];
      return low + ((high - low) * (share * all - before)) / times[i];
    }
    before += times[i];
  }
  return bounds[bounds.length - 1];
}

function Score({ live, model }) {
  if (!live) return html`<${Empty}>No answer was given yet.<//>`;
  const e = live.estimate;
  const all = [live.low, live.high, live.value, e?.low, e?.high, e?.value].filter(isNumber);
  const low = Math.min(...all), high = Math.max(...all), room = (high - low || 0.1) * 0.15;
  const range = { from: low - room, to: high + room };
  const rows = [
    { name: "measured on labels", ...live, of: `${count(live.scored)} newest labels` },
    e && { name: "expected without labels", ...e, of: `${count(e.answers)} newest answers` },
  ].filter(Boolean);
  return html`<${Table} label="Scores" rows=${rows} columns=${[
    { title: live.metric ?? "score", isMain: true, cell: (r) => html`${r.name}<br /><small>${r.of}</small>` }, { title: "Value", isNumber: true, cell: (r) => html`<b>${figure(r.value)}</b>` },
    { title: "", cell: (r) => html`<${Interval} ...${r} ...${range} label=${r.name} />` },
    { title: "95 % interval", isNumber: true, cell: (r) => (isNumber(r.low) ? `${figure(r.low)} to ${figure(r.high)}` : NONE) },
  ]} />
  <h3>Labels</h3><div class="coverage"><span class="meter" role="img" aria-label=${`labelled ${percent(live.coverage)}`}><span style=${{ width: `${100 * live.coverage}%` }}></span></span> <b>${percent(live.coverage)}</b> of ${count(live.answers)} answers; ${live.last_label ? html`the last label came <${Time} at=${live.last_label} />` : "no label came yet"}${live.dropped ? html` <${Badge} is="warn">${count(live.dropped)} lost<//>` : ""}</div>
  ${live.scores && html`<h3>All scores of the labelled</h3><dl class="facts">${Object.entries(live.scores).filter(([k]) => k !== "n_rows").map(([k, v]) => html`<div><dt>${k}</dt><dd>${figure(v)}</dd></div>`)}</dl>`}
  <p><${Command}>tidemill monitor report ${quoted(model)}<//></p>`;
}

function Now({ route }) {
  const points = useSignal(trail);
  const times = points.map((p) => p.at);
  const of = (name) => points.map((p) => p.routes[route]?.[name] ?? null);
  if (points.length < 3) return html`<p class="loading">the first points come in some seconds…</p>`;
  return html`<div class="columns"><${Chart} title="Answers a second" file=${`${route}-answers`} times=${times} series=${[{ name: "answers/s", values: of("perSecond") }]} command="tidemill status --json" />
    <${Chart} title="Latency of the last minutes" unit=" ms" file=${`${route}-latency`} times=${times} series=${[{ name: "median", values: of("p50").map((v) => v && v * 1e3) }, { name: "99th percentile", values: of("p99").map((v) => v && v * 1e3) }]} command="tidemill status --json" /></div>`;
}

function Hours({ route, model }) {
  const hours = useValue(path`/v1/routes/${route}/hours`, 60000);
  const marks = useDeploys(model);
  return html`<${Await} of=${hours}>${(h) => {
    if (h.hours.length === 0) return html`<${Empty}>The first hour is written when a minute of traffic has been watched.<//>`;
    const times = h.hours.map((x) => Date.parse(x.at) / 1000);
    const per = (x, n) => (x.seconds > 0 ? (60 * n) / x.seconds : n);
    const command = `tidemill monitor report ${quoted(model)}`;
    return html`<div class="columns">
      <${Chart} title="Requests a minute, by hours" file=${`${route}-requests`} times=${times} marks=${marks} command=${command} series=${[{ name: "answered", values: h.hours.map((x) => per(x, x.answered)) }, { name: "refused or failed", values: h.hours.map((x) => per(x, x.refused + x.failed)) }]} />
      <${Chart} title="Latency, by hours" unit=" ms" file=${`${route}-latency-hours`} times=${times} marks=${marks} command=${command} series=${[0.5, 0.99].map((q) => ({ name: q === 0.5 ? "median" : "99th percentile", values: h.hours.map((x) => 1e3 * quantile(x.times, h.bounds_seconds, q)) }))} />
    </div>`;
  }}<//>`;
}

const SPANS = [["6h", "6 hours"], ["1d", "a day"], ["7d", "a week"], ["30d", "30 days"]];

/** The moments at which a version began to answer. */
export function useDeploys(model) {
  const story = useValue(path`/v1/models/${model}/history?newest=500`, 30000);
  return (story.value?.history ?? []).filter((e) => /promoted|rolled|rollback/.test(e.event) && e.version).map((e) => ({ at: Date.parse(e.at) / 1000, text: `v${e.version}` }));
}

/** Scores by when the answers were given: measured with their intervals, expected without labels, and how many had one. */
function OverTime({ model, metric, place }) {
  const since = SPANS.some(([s]) => s === place.query.span) ? place.query.span : "7d";
  const at = useValue(path`/v1/models/${model}/scores` + `?since=${since}`, 60000);
  const marks = useDeploys(model);
  return html`<${Card} wide title="Scores over time" note="by when the answers were given; dashed lines: a version began to answer" actions=${html`<label>Of the last <select value=${since} onChange=${(e) => place.set({ span: e.target.value })}>${SPANS.map(([s, name]) => html`<option value=${s}>${name}</option>`)}</select></label>
      <label>Score <select value=${place.query.score ?? metric} onChange=${(e) => place.set({ score: e.target.value })}>${(at.value?.live.scores ?? []).map((s) => html`<option value=${s.score}>${s.score}</option>`)}</select></label>`}>
    <${Await} of=${at}>${({ live, estimated, window_seconds: width }) => {
      const name = [place.query.score, metric, live.scores[0]?.score].find((n) => live.scores.some((s) => s.score === n));
      const windows = live.windows.filter((w) => w.answers > 0);
      if (!name || windows.length < 2) return html`<${Empty}>There are not two windows with answers in this time yet.<//>`;
      const of = (list) => list.find((s) => s.score === name) ?? {};
      const expected = new Map(estimated.windows.map((w) => [w.from, of(w.scores)]));
      const times = windows.map((w) => Date.parse(w.from) / 1000);
      const command = `tidemill monitor report ${quoted(model)} --since ${since} --json`;
      const scores = windows.map((w) => of(w.scores));
      return html`<p class="note">Windows of ${span(width)}.</p><div class="columns">
        <${Chart} title=${name} file=${`${model}-${name}`} times=${times} marks=${marks} command=${command} series=${[{ name: "low", isBand: true, colour: 0, values: scores.map((s) => s.low ?? null) }, { name: "high", isBand: true, colour: 0, values: scores.map((s) => s.high ?? null) },
          { name: "measured on labels", colour: 0, values: scores.map((s) => s.value ?? null) }, { name: "expected without", colour: 1, values: windows.map((w) => expected.get(w.from)?.value ?? null) }]} />
        <${Chart} title="Answers with a label" unit=" %" file=${`${model}-coverage`} times=${times} marks=${marks} command=${command} series=${[{ name: "labelled", values: windows.map((w) => (w.coverage == null ? null : 100 * w.coverage)) }]} /></div>`;
    }}<//><//>`;
}

export function Live({ place }) {
  const status = useValue("/v1/status", 5000);
  const told = useSignal(serving);
  return html`<h1>Live</h1><${Await} of=${status}>${(s) => {
    if (s.routes.length === 0) return html`<${Card}><${Empty} command="tidemill train data.csv --target COLUMN">Nothing is served yet.<//><//>`;
    const r = s.routes.find((x) => x.route === place.parts[1]) ?? s.routes[0];
    const fresh = told?.routes.find((x) => x.route === r.route);
    return html`<div class="heading"><nav class="tabs" aria-label="Routes">${s.routes.map((x) => html`<a href=${href(["live", x.route])} aria-current=${x === r ? "page" : undefined}>${x.route}</a>`)}</nav>
        <span>version ${r.version} answers${fresh ? html`, ${rate(fresh.answers_per_second)} a second, p99 ${span(fresh.p99_seconds)}` : ""}</span></div>
      <div class="columns"><${Card} title="How good"><${Score} live=${r.live} model=${r.model} /><//><${Card} title="Why one answer?"><${Why} model=${r.model} place=${place} /><//></div>
      <${OverTime} model=${r.model} metric=${r.live?.metric} place=${place} key=${"scores " + r.model} />
      <${Card} wide title="As it comes"><${Now} route=${r.route} key=${r.route} /><//>
      <${Card} wide title="The last four weeks" note="dashed lines: a version began to answer"><${Hours} route=${r.route} model=${r.model} key=${r.route} /><//>`;
  }}<//>`;
}

/** What each column added, from the middle to the left or to the right. */
function Parts({ model, id }) {
  const at = useValue(path`/v1/models/${model}/predictions/${id}`);
  return html`<${Await} of=${at}>${(e) => {
    const reasons = [...e.reasons].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution)).slice(0, 12);
    const most = Math.max(...reasons.map((r) => Math.abs(r.contribution)), 1e-12);
    const x = (v) => 50 + (48 * v) / most;
    return html`<p>Version ${e.version} answered <b>${String(e.prediction)}</b>${e.probability != null && html`, probability ${figure(e.probability)}`}, <${Time} at=${e.at} />. It starts from ${figure(e.base)} and comes to ${figure(e.raw)}.</p>
      <${Table} label="What each column added" rows=${reasons} columns=${[{ title: "Column", isMain: true, cell: (r) => r.column },
        ...(reasons.some((r) => r.value !== undefined) ? [{ title: "Value", cell: (r) => (r.value === undefined ? "" : String(r.value ?? "missing")) }] : []),
        { title: "", cell: (r) => html`<svg class="interval" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true"><path class="axis" d="M50 0V12" /><path class=${r.contribution < 0 ? "part less" : "part"} d=${`M50 6H${x(r.contribution)}`} /></svg>` },
        { title: "Adds", isNumber: true, cell: (r) => (r.contribution < 0 ? "−" : "+") + figure(Math.abs(r.contribution), 3) }]} />
      <p><${Command}>tidemill explain ${quoted(model)} ${quoted(id)}<//></p>`;
  }}<//>`;
}

function Why({ model, place }) {
  const { id } = place.query;
  const set = (event) => {
    event.preventDefault();
    place.set({ id: new FormData(event.target).get("id").trim() });
  };
  return html`<form class="inline" onSubmit=${set}><label for="pid">Id of a prediction</label><${Field} id="pid" name="id" value=${id} maxlength="26" spellcheck="false" /><button type="submit">Explain</button></form>
    ${id ? html`<${Parts} model=${model} id=${id} key=${id} />` : html`<p class="note">Each answer has an id: it stands in the reply and in the log.</p>`}`;
}
