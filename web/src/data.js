// SPDX-License-Identifier: Apache-2.0
// Sources and how fresh they are; what moved in the columns that models read.
import { path, useValue } from "./api.js";
import { html } from "./html.js";
import { Paged } from "./models.js";
import { href } from "./route.js";
import { Await, Badge, Bar, Card, Command, Empty, Facts, Table, Tabs, Time } from "./ui.js";
import { count, figure, isNumber, NONE, percent, plural, quoted, span } from "./words.js";

const STATUS = { ready: "good", reading: "good", paused: "idle", stopped: "bad", failing: "bad", failed: "bad" };

function Sources({ place }) {
  const at = useValue("/v1/sources", 5000);
  return html`<${Await} of=${at}>${({ sources }) => sources.length === 0
    ? html`<${Card} title="Sources"><${Empty} command="tidemill data add NAME data.csv">No source is declared: models learn from the files that they were given.<//><//>`
    : html`<${Card} wide title=${plural(sources.length, "source")} actions=${html`<${Command}>tidemill data ls<//>`}><${Paged} rows=${sources} place=${place}>${(part) => html`<${Table} label="Sources" rows=${part} keyOf=${(s) => s.source} columns=${[
      { title: "Source", isMain: true, cell: (s) => html`${s.source} <small>${s.kind}</small>` },
      { title: "Status", cell: (s) => html`<${Badge} is=${s.error ? "bad" : STATUS[s.status] ?? "warn"}>${s.status}<//>${s.error ? html`<br /><small>${s.error}</small>` : ""}` },
      { title: "Rows", isNumber: true, cell: (s) => count(s.rows) },
      { title: "Last row", cell: (s) => html`<${Time} at=${s.last_row_at} />` },
      { title: "Behind", isNumber: true, cell: (s) => (s.lag_seconds == null ? NONE : span(s.lag_seconds)) },
      { title: "Quarantined", isNumber: true, cell: (s) => (s.quarantined ? html`<${Badge} is="warn">${count(s.quarantined)}<//>` : "0") },
      { title: "Twice", isNumber: true, cell: (s) => count(s.duplicates) },
      { title: "Waiting", isNumber: true, cell: (s) => count(s.pending) },
      { title: "Bad rows", cell: (s) => html`<${Command}>tidemill data quarantine ${quoted(s.source)}<//>` },
    ]} />`}<//><//>`}<//>`;
}

function spanOf(x) {
  return x == null ? NONE : typeof x === "number" ? figure(x) : typeof x === "string" ? x : JSON.stringify(x);
}

function Column({ c }) {
  return html`<${Facts} rows=${[["what", c.what ?? "as it was"], ["since", html`<${Time} at=${c.since} />`], ["was", spanOf(c.was)], ["is", spanOf(c.is)], ["missing", `${percent(c.missing?.was)}, now ${percent(c.missing?.is)}`], ["PSI", figure(c.psi, 3)], ["KS", figure(c.ks, 3)],
    ["p of chi²", figure(c.chi2?.p, 3)], ["expected loss", c.cost ? `${figure(c.cost.was)}, now ${figure(c.cost.expected)}` : NONE]]} />${c.next && html`<p class="note">${c.next}</p>`}`;
}

function Drift({ place }) {
  const at = useValue("/v1/drift", 15000);
  return html`<${Await} of=${at}>${({ models }) => {
    if (models.length === 0) return html`<${Card}><${Empty}>Nothing is served, so nothing can move.<//><//>`;
    const m = models.find((x) => x.model === place.query.model) ?? models[0];
    const wanted = place.query.column;
    const moved = m.drift.filter((c) => c.moved);
    return html`<${Card} wide title=${`Columns of ${m.model} version ${m.version}`} note=${m.has_reference ? `${moved.length === 0 ? "none has moved" : `${count(moved.length)} moved`}; evidence is held against a budget of false alarms, however often one looks` : "this version has no reference to compare with"}
      actions=${html`${models.length > 1 && html`<label>Model <select value=${m.model} onChange=${(e) => place.set({ model: e.target.value, from: null, column: null })}>${models.map((x) => html`<option value=${x.model}>${x.model}</option>`)}</select></label>`}<${Command}>tidemill monitor drift ${quoted(m.model)}<//>`}>
      ${m.drift.length === 0 ? html`<${Empty}>No rows were counted yet.<//>` : html`<${Paged} rows=${m.drift} place=${place}>${(part) => html`<${Table} label="Drift" rows=${part} keyOf=${(c) => c.column} columns=${[
        { title: "Column", isMain: true, cell: (c) => html`<button type="button" class="link" aria-expanded=${wanted === c.column} onClick=${() => place.set({ column: wanted === c.column ? null : c.column })}>${c.column || "answers"}</button>` },
        { title: "State", cell: (c) => html`<${Badge} is=${c.moved ? "bad" : "good"}>${c.moved ? c.what ?? "moved" : "as it was"}<//>` },
        { title: "Evidence of what an alarm needs", cell: (c) => html`<span class="budget"><${Bar} share=${Math.max(0, c.evidence / c.evidence_needed)} isOver=${c.moved} /><small>${percent(c.evidence / c.evidence_needed, 0)}</small></span>` },
        { title: "PSI", isNumber: true, cell: (c) => figure(c.psi, 3) },
        { title: "Importance", isNumber: true, cell: (c) => percent(c.importance) },
        { title: "Costs", isNumber: true, cell: (c) => (isNumber(c.cost?.change) ? figure(c.cost.change, 3) : NONE) },
        { title: "Rows", isNumber: true, cell: (c) => count(c.rows) },
      ]} />`}<//>`}
      ${m.drift.filter((c) => c.column === wanted).map((c) => html`<div class="detail"><h3>${c.column || "answers"}</h3><${Column} c=${c} /></div>`)}<//>
      ${m.fields.length > 0 && html`<${Card} wide title="Fields of requests that do not fit"><${Table} label="Fields" rows=${m.fields} columns=${[{ title: "Field", isMain: true, cell: (f) => f.name ?? f.column ?? f.field }, { title: "How", cell: (f) => f.what ?? f.kind ?? f.how }, { title: "Rows", isNumber: true, cell: (f) => count(f.rows ?? f.count) }]} /><//>`}`;
  }}<//>`;
}

export function Data({ place }) {
  const tab = place.query.tab ?? "sources";
  return html`<h1>Data</h1><div class="heading"><${Tabs} label="Parts" at=${tab} tabs=${[["sources", "Sources", href(["data"])], ["drift", "Drift", href(["data"], { tab: "drift" })]]} /></div>${tab === "drift" ? html`<${Drift} place=${place} />` : html`<${Sources} place=${place} />`}`;
}
