// SPDX-License-Identifier: Apache-2.0
// Sources and how fresh they are; what moved in the columns that models read.
import { path, useAhead, useValue } from "./api.js";
import { Chart } from "./chart.js";
import { html } from "./html.js";
import { asked, Find, nextOf, pageOf, Paged, Pager } from "./paging.js";
import { href } from "./route.js";
import { Await, Badge, Bar, Card, Command, Empty, Facts, Table, Tabs, Time } from "./ui.js";
import { count, figure, isNumber, NONE, percent, plural, quoted, span } from "./words.js";

const STATUS = { ready: "good", reading: "good", paused: "idle", stopped: "bad", failing: "bad", failed: "bad" };

/** Why rows of a source were refused, by reason, origin and column; values are shown by the command alone. */
function Quarantine({ source }) {
  const at = useValue(path`/v1/sources/${source}/quarantine`, 15000);
  return html`<${Card} wide title=${`What was refused of ${source}`} actions=${html`<${Command}>tidemill data quarantine ${quoted(source)}<//>`}><${Await} of=${at}>${(q) => q.groups.length === 0 ? html`<${Empty}>Nothing is in quarantine.<//>`
    : html`${q.dropped > 0 && html`<p><${Badge} is="bad">${count(q.dropped)} bad rows found no room<//></p>`}<${Table} label="Quarantine" rows=${q.groups} columns=${[
      { title: "Why", isMain: true, cell: (g) => String(g.reason).replace(/_/g, " ") }, { title: "Column", cell: (g) => g.column ?? NONE }, { title: "From", cell: (g) => g.origin ?? NONE },
      { title: "Rows", isNumber: true, cell: (g) => count(g.count) }, { title: "First", cell: (g) => html`<${Time} at=${g.first_at} />` }, { title: "Last", cell: (g) => html`<${Time} at=${g.last_at} />` }]} />
      <p class="note">Mend what makes them, or what is asked of them, then read them again: <${Command}>tidemill data replay ${quoted(source)}<//></p>`}<//><//>`;
}

const NO_POLICY = "quarantine";
const changed = (c) => [c.what ?? c.kind ?? c.change, c.column].filter(Boolean).join(" ").replace(/_/g, " ");

/** What is expected of the rows of a source, what was found in them, and how their columns changed. */
function Quality({ source }) {
  const at = useValue(path`/v1/sources/${source}`, 15000);
  return html`<${Card} wide title=${`Quality of ${source}`} actions=${html`<${Command}>tidemill data show ${quoted(source)}<//>`}><${Await} of=${at}>${(s) => html`
    <${Facts} rows=${[["rows", count(s.rows)], ["columns", count(s.columns.length)], ["values converted", count(s.coerced)], ["rows without a column", count(s.incomplete)], ["removed by age or size", count(s.removed)], ["kept for", s.retention_seconds == null ? "ever" : span(s.retention_seconds)], ["purpose", s.purpose ?? "not said"]]} />
    <h3>Rules</h3>${Object.keys(s.expect).length === 0 ? html`<${Empty} command=${`tidemill data set ${quoted(source)} --expect 'NAME: CONDITION'`}>Nothing is expected of the rows but their types.<//>`
      : html`<${Table} label="Rules" rows=${Object.entries(s.expect)} keyOf=${([name]) => name} columns=${[{ title: "Rule", isMain: true, cell: ([name]) => name }, { title: "Holds when", cell: ([, rule]) => html`<code>${rule}</code>` }, { title: "If not", cell: ([name]) => s.policy[name] ?? NO_POLICY }]} />`}
    <h3>Found</h3>${s.anomalies.length === 0 ? html`<${Empty}>Nothing was found in the rows.<//>`
      : html`<${Table} label="Found" rows=${s.anomalies} columns=${[{ title: "What", isMain: true, cell: (a) => a.kind.replace(/_/g, " ") }, { title: "Column", cell: (a) => a.column || NONE }, { title: "Times", isNumber: true, cell: (a) => count(a.count) }, { title: "Detail", cell: (a) => a.detail }, { title: "First", cell: (a) => html`<${Time} at=${a.first_at} />` }, { title: "Last", cell: (a) => html`<${Time} at=${a.last_at} />` }]} />`}
    ${s.version > 1 && html`<h3>Columns changed</h3><${Table} label="Columns changed" rows=${s.changes.filter((c) => c.version > 1)} columns=${[{ title: "Version", isMain: true, cell: (c) => c.version }, { title: "What", cell: (c) => [c.changes].flat().map(changed).join(", ") }, { title: "When", cell: (c) => html`<${Time} at=${c.at} />` }]} />`}`}<//><//>`;
}

function Sources({ place }) {
  const at = useValue("/v1/sources", 5000);
  return html`<${Await} of=${at}>${({ sources }) => sources.length === 0
    ? html`<${Card} title="Sources"><${Empty} command="tidemill data add NAME --files data.csv">No source is declared: models learn from the files that they were given.<//><//>`
    : html`<${Card} wide title=${plural(sources.length, "source")} actions=${html`<${Command}>tidemill data ls<//>`}><${Paged} rows=${sources} place=${place}>${(part) => html`<${Table} label="Sources" rows=${part} keyOf=${(s) => s.source} columns=${[
      { title: "Source", isMain: true, cell: (s) => html`<a href=${href(["data"], { ...place.query, source: s.source })}>${s.source}</a> <small>${s.kind}</small>` },
      { title: "Status", cell: (s) => html`<${Badge} is=${s.error ? "bad" : STATUS[s.status] ?? "warn"}>${s.status}<//>${s.error ? html`<br /><small>${s.error.message ?? s.error}</small>` : ""}` },
      { title: "Rows", isNumber: true, cell: (s) => count(s.rows) },
      { title: "Last row", cell: (s) => html`<${Time} at=${s.last_row_at} />` },
      { title: "Behind", isNumber: true, cell: (s) => (s.lag_seconds == null ? NONE : span(s.lag_seconds)) },
      { title: "Quarantined", isNumber: true, cell: (s) => (s.quarantined ? html`<${Badge} is="warn">${count(s.quarantined)}<//>` : "0") },
      { title: "Twice", isNumber: true, cell: (s) => count(s.duplicates) },
      { title: "Waiting", isNumber: true, cell: (s) => count(s.pending) },
      { title: "Bad rows", cell: (s) => html`<${Command}>tidemill data quarantine ${quoted(s.source)}<//>` },
    ]} />`}<//><//>${place.query.source && html`<${Quality} source=${place.query.source} key=${`quality ${place.query.source}`} /><${Quarantine} source=${place.query.source} key=${place.query.source} />`}`}<//>`;
}

function spanOf(x) {
  return x == null ? NONE : typeof x === "number" ? figure(x) : typeof x === "string" ? x : JSON.stringify(x);
}

function Column({ c }) {
  return html`<${Facts} rows=${[["what", c.what ?? "as it was"], ["since", html`<${Time} at=${c.since} />`], ["was", spanOf(c.was)], ["is", spanOf(c.is)], ["missing", `${percent(c.missing?.was)}, now ${percent(c.missing?.is)}`], ["PSI", figure(c.psi, 3)], ["KS", figure(c.ks, 3)],
    ["p of chi²", figure(c.chi2?.p, 3)], ["expected loss", c.cost ? `${figure(c.cost.was)}, now ${figure(c.cost.expected)}` : NONE]]} />${c.next && html`<p class="note">${c.next}</p>`}`;
}

const share = (x) => (x > 10 ? "over 10 times" : percent(x, 0));
const LEAST_EVIDENCE = 0.01; // what a chart by size shows of less

/** The evidence of a column beside what an alarm needs, and how far it lay from the reference, over time. */
function Series({ model, column, place }) {
  const at = useValue(path`/v1/models/${model}/drift?column=${column}`, 60000);
  return html`<${Await} of=${at}>${(s) => {
    if (s.points.length < 2) return html`<${Empty}>There are not two moments to draw a line between yet.<//>`;
    const times = s.points.map((p) => Date.parse(p.at) / 1000);
    const command = `tidemill monitor drift ${quoted(model)} --column ${quoted(column || "(answers)")}`;
    const marks = s.points.filter((p, i) => p.alarms > 0 && !s.points[i - 1]?.alarms).slice(0, 8).map((p) => ({ at: Date.parse(p.at) / 1000, text: "alarm" }));
    return html`<div class="columns">
      <${Chart} title="Evidence, and what an alarm needs" isLog file=${`${model}-${column}-evidence`} times=${times} marks=${marks} command=${command} series=${[{ name: "evidence", values: s.points.map((p) => Math.max(LEAST_EVIDENCE, p.evidence ?? 0)) }, { name: "an alarm", values: s.points.map(() => s.evidence_needed) }]} />
      <${Chart} title="Distance from the training rows" file=${`${model}-${column}-psi`} times=${times} marks=${marks} command=${command} series=${[{ name: "PSI", values: s.points.map((p) => p.psi) }, ...(s.points.some((p) => p.missing > 0) ? [{ name: "share missing", values: s.points.map((p) => p.missing) }] : [])]} />
    </div>`;
  }}<//>`;
}

function DriftOf({ m, models, place }) {
  const wanted = place.query.column;
  return html`<${Card} wide title=${`Columns of ${m.model} version ${m.version}`} note=${m.has_reference ? `${m.n_moved === 0 ? "none has moved" : `${count(m.n_moved)} of ${count(m.n_columns)} moved`}; evidence is held against a budget of false alarms, however often one looks` : "this version has no reference to compare with"}
      actions=${html`${models.length > 1 && html`<label>Model <select value=${m.model} onChange=${(e) => place.set({ model: e.target.value, from: null, column: null })}>${models.map((x) => html`<option value=${x.model}>${x.model}</option>`)}</select></label>`}
        <${Find} place=${place} label="Find a column" /><label><input type="checkbox" checked=${place.query.moved === "true"} onChange=${(e) => place.set({ moved: e.target.checked ? "true" : null, from: null })} /> only what moved</label><${Command}>tidemill monitor drift ${quoted(m.model)}<//>`}>
      ${m.n_columns === 0 ? html`<${Empty}>No rows were counted yet.<//>` : m.n_found === 0 ? html`<${Empty}>No column is such.<//>` : html`<${Table} label="Drift" rows=${m.drift} keyOf=${(c) => c.column} columns=${[
        { title: "Column", isMain: true, cell: (c) => html`<button type="button" class="link" aria-expanded=${wanted === (c.column ?? "")} onClick=${() => place.set({ column: wanted === (c.column ?? "") ? null : c.column ?? "" })}>${c.column || "answers"}</button>` },
        { title: "State", cell: (c) => html`<${Badge} is=${c.moved ? "bad" : "good"}>${c.moved ? c.what ?? "moved" : "as it was"}<//>` },
        { title: "Evidence of what an alarm needs", cell: (c) => html`<span class="budget"><${Bar} share=${Math.max(0, c.evidence / c.evidence_needed)} isOver=${c.moved} /><small>${share(c.evidence / c.evidence_needed)}</small></span>` },
        { title: "PSI", isNumber: true, cell: (c) => figure(c.psi, 3) },
        { title: "Importance", isNumber: true, cell: (c) => percent(c.importance) },
        { title: "Costs", isNumber: true, cell: (c) => (isNumber(c.cost?.change) ? figure(c.cost.change, 3) : NONE) },
        { title: "Rows", isNumber: true, cell: (c) => count(c.rows) },
      ]} /><${Pager} place=${place} n=${m.drift.length} total=${m.n_found} />`}
      ${wanted != null && html`<div class="detail" key=${wanted}><h3>${wanted || "answers"}</h3>${m.drift.filter((c) => (c.column ?? "") === wanted).map((c) => html`<${Column} c=${c} />`)}<${Series} model=${m.model} column=${wanted} place=${place} /></div>`}<//>
      ${m.fields.length > 0 && html`<${Card} wide title="Fields of requests that do not fit"><${Table} label="Fields" rows=${m.fields} columns=${[{ title: "Field", isMain: true, cell: (f) => f.name ?? f.column ?? f.field }, { title: "How", cell: (f) => f.what ?? f.kind ?? f.how }, { title: "Rows", isNumber: true, cell: (f) => count(f.rows ?? f.count) }]} /><//>`}`;
}

function Drift({ place }) {
  const status = useValue("/v1/status", 30000);
  const routes = status.value?.routes ?? [];
  const model = routes.find((r) => r.model === place.query.model)?.model ?? routes[0]?.model;
  const { find, moved } = place.query;
  const of = (page) => (model && page ? `/v1/drift?${asked({ model, find, moved, ...page })}` : null);
  const at = useValue(of(pageOf(place)), 15000, true);
  useAhead(of(nextOf(place, at.value?.models[0]?.n_found)));
  if (status.value && routes.length === 0) return html`<${Card}><${Empty}>Nothing is served, so nothing can move.<//><//>`;
  return html`<${Await} of=${at}>${({ models }) => html`<${DriftOf} m=${models[0]} models=${routes} place=${place} />`}<//>`;
}

export function Data({ place }) {
  const tab = place.query.tab ?? "sources";
  return html`<h1>Data</h1><div class="heading"><${Tabs} label="Parts" at=${tab} tabs=${[["sources", "Sources", href(["data"])], ["drift", "Drift", href(["data"], { tab: "drift" })]]} /></div>${tab === "drift" ? html`<${Drift} place=${place} />` : html`<${Sources} place=${place} />`}`;
}
