// SPDX-License-Identifier: Apache-2.0
// Models, and one of them: its versions, what tells two apart, its gate, what happened to it.
import { path, useAhead, useValue } from "./api.js";
import { html } from "./html.js";
import { Changes } from "./home.js";
import { asked, Find, nextOf, pageOf, Paged, Pager } from "./paging.js";
import { href } from "./route.js";
import { Version } from "./version.js";
import { Await, Badge, Card, Command, Empty, Facts, Hash, Move, Table, Tabs, Tag, Time } from "./ui.js";
import { count, figure, isNumber, NONE, percent, plural, quoted } from "./words.js";

const N_NEWEST = 200; // versions that charts and choices are of
const STATES = { ready: "good", refused: "bad", collected: "idle", failed: "bad" };
const LESS_IS_BETTER = new Set(["logloss", "brier", "rmse", "mae", "ece", "mape"]);

export function Aliases({ of }) {
  return of ? of.split(/,\s*/).map((a) => html`<${Tag} strong=${a === "champion"}>${a}<//> `) : null;
}

function List({ place }) {
  const models = useValue("/v1/models", 10000);
  const wanted = (place.query.find ?? "").toLowerCase();
  return html`<h1>Models</h1><${Await} of=${models}>${(v) => {
    if (v.models.length === 0) return html`<${Card}><${Empty} command="tidemill train data.csv --target COLUMN">There is no model yet.<//><//>`;
    const rows = v.models.filter((m) => m.model.toLowerCase().includes(wanted));
    return html`<${Card} wide actions=${html`<${Find} place=${place} label="Find" />`} title=${plural(rows.length, "model")}>
      <${Paged} rows=${rows} place=${place}>${(part) => html`<${Table} label="Models" rows=${part} keyOf=${(m) => m.model} columns=${[
        { title: "Model", isMain: true, cell: (m) => html`<a href=${href(["models", m.model])}>${m.model}</a>` },
        { title: "Predicts", cell: (m) => html`${m.target} <small>${m.task}</small>` },
        { title: "Champion", cell: (m) => (m.champion ? html`<a href=${href(["models", m.model, "versions", m.champion])}>version ${m.champion}</a>` : html`<${Badge} is="warn">none<//>`) },
        { title: "Versions", isNumber: true, cell: (m) => count(m.versions) },
        { title: "Test score", isNumber: true, cell: (m) => html`${figure(m.score)} <small>${m.metric}</small>` },
        { title: "Since", cell: (m) => html`<${Time} at=${m.created} />` },
      ]} />`}<//><p><${Command}>tidemill model ls<//></p><//>`;
  }}<//>`;
}

// ---- One model ----

function scoreNames(versions) {
  const names = new Set(versions.flatMap((v) => Object.keys(v.test ?? {})));
  names.delete("n_rows");
  const first = ["auc", "logloss", "accuracy", "rmse", "mae", "r2", "macro_f1", "ndcg@10"];
  return first.filter((n) => names.has(n)).slice(0, 3);
}

function Versions({ model, m, place }) {
  const names = scoreNames(m.versions);
  const other = (v) => (v.version === m.champion ? (m.versions.find((o) => o.version !== v.version)?.version ?? v.version) : m.champion);
  return html`<${Card} wide title=${plural(m.n_versions, "version")} actions=${html`<${Find} place=${place} label="Find by number, learner, state or alias" /><${Command}>tidemill model show ${quoted(model)}<//>`}>
    <${Table} label="Versions" rows=${m.versions} keyOf=${(v) => v.version} onRow=${(v) => (v.version === m.champion ? "chosen" : "")} columns=${[
      { title: "Version", isMain: true, cell: (v) => html`<a href=${href(["models", model, "versions", v.version])}>${v.version}</a> <${Aliases} of=${v.aliases} />` },
      { title: "State", cell: (v) => html`<${Badge} is=${STATES[v.state] ?? "idle"}>${v.state}<//>` },
      { title: "Learner", cell: (v) => v.learner },
      ...names.map((n) => ({ title: n, isNumber: true, cell: (v) => figure(v.test?.[n]) })),
      { title: "Bundle", cell: (v) => html`<${Hash} of=${v.bundle_hash} />` },
      { title: "Made", cell: (v) => html`<${Time} at=${v.created} />` },
      { title: "", cell: (v) => html`<span class="row">${m.versions.length > 1 && html`<a href=${href(["models", model], { tab: "diff", a: other(v), b: v.version })}>compare</a>`}
        ${v.version !== m.champion && v.state === "ready" && html`<${Move} to=${path`/v1/models/${model}:promote`} body=${{ version: v.version, ...(m.champion ? { champion: m.champion } : {}) }} label="Promote"
          question=${`Version ${v.version} of ${model} answers from then on${m.champion ? `, in place of version ${m.champion}` : ""}. Its gate is asked first.`} done=${() => `version ${v.version} serves`} />`}</span>` },
    ]} /><${Pager} place=${place} n=${m.versions.length} total=${m.n_found} /><//>`;
}

function Pick({ m, place, name }) {
  const chosen = place.query[name];
  const versions = m.versions.some((v) => String(v.version) === chosen) || !chosen ? m.versions : [...m.versions, { version: chosen }];
  return html`<label>Version <select value=${place.query[name]} onChange=${(e) => place.set({ [name]: e.target.value })}>${versions.map((v) => html`<option value=${String(v.version)}>${v.version}${v.aliases ? ` (${v.aliases})` : ""}</option>`)}</select></label>`;
}

const short = (x) => (x == null ? NONE : typeof x === "string" ? x.slice(0, 40) : typeof x === "number" ? figure(x, 6) : JSON.stringify(x));

function Pairs({ label, first, rows, a, b }) {
  return html`<${Table} label=${label} rows=${rows} columns=${[
    { title: first, isMain: true, cell: (r) => r.name },
    { title: `version ${a}`, isNumber: true, cell: (r) => short(r.a) },
    { title: `version ${b}`, isNumber: true, cell: (r) => short(r.b) },
    { title: "change", isNumber: true, cell: (r) => {
      if (!isNumber(r.a) || !isNumber(r.b) || r.a === r.b) return r.a === r.b ? "same" : "";
      const isBetter = r.b > r.a !== LESS_IS_BETTER.has(r.name);
      const text = (r.b > r.a ? "+" : "−") + figure(Math.abs(r.b - r.a), 3);
      return r.isScore ? html`<${Badge} is=${isBetter ? "good" : "warn"}>${text}<//>` : text;
    } },
  ]} />`;
}

function Diff({ model, m, place }) {
  const { a, b } = place.query;
  const diff = useValue(a && b && a !== b ? path`/v1/models/${model}:diff?a=${a}&b=${b}` : null);
  const parts = (d) => [...d.recipe.map((r) => ({ name: r.key, a: r.a, b: r.b })), ...d.params.map((r) => ({ name: r.key ?? r.param, a: r.a, b: r.b }))];
  return html`<${Card} wide title="What tells two versions apart" actions=${html`<${Pick} m=${m} place=${place} name="a" /><${Pick} m=${m} place=${place} name="b" />`}>
    ${a === b ? html`<${Empty}>Choose two versions.<//>` : html`<${Await} of=${diff}>${(d) => html`<div class="columns">
      <div><h3>Scores on their own tests</h3><${Pairs} label="Scores" first="score" a=${a} b=${b} rows=${d.scores.map((s) => ({ name: s.score, a: s.a, b: s.b, isScore: true }))} /></div>
      <div><h3>Answers for the same requests</h3>${d.predictions ? html`<${Facts} rows=${[["rows asked", count(d.predictions.rows)], ["same answer", `${count(d.predictions.same)} (${percent(d.predictions.same / (d.predictions.rows || 1))})`],
        ["decided otherwise", count(d.predictions.decided_otherwise)], ["mean difference", figure(d.predictions.mean)], ["99th percentile", figure(d.predictions.p99)], ["refused by one", count(d.predictions.refused)]]} />` : html`<p>They predict different things, or no request was logged.</p>`}
        <h3>Recipe</h3>${parts(d).length ? html`<${Pairs} label="Recipe" first="what" a=${a} b=${b} rows=${parts(d)} />` : html`<p>The same.</p>`}
        <h3>Data</h3><${Facts} rows=${[["training rows", d.data.rows.map(count).join(" and ")], ["columns added", d.data.columns.added.map((c) => c.name ?? c).join(", ") || "none"], ["columns removed", d.data.columns.removed.map((c) => c.name ?? c).join(", ") || "none"],
          ["features added", d.features.added.length || "none"], ["features removed", d.features.removed.length || "none"]]} /></div>
    </div><p><${Command}>tidemill model diff ${quoted(`${model}@${a}`)} ${quoted(`${model}@${b}`)}<//></p>`}<//>`}<//>`;
}

function History({ model, place }) {
  const { event: wanted } = place.query;
  const story = useValue(path`/v1/models/${model}/history?newest=500`, 15000);
  return html`<${Await} of=${story}>${(s) => {
    const records = [...s.history].reverse().filter((e) => !wanted || e.event === wanted);
    const kinds = [...new Set(s.history.map((e) => e.event))].sort();
    return html`<${Card} wide title=${plural(records.length, "record")} actions=${html`<label>Only <select value=${wanted ?? ""} onChange=${(e) => place.set({ event: e.target.value, from: null })}><option value="">all</option>${kinds.map((k) => html`<option value=${k}>${k}</option>`)}</select></label>`}>
      <${Paged} rows=${records} place=${place}>${(part) => html`<${Changes} records=${part} />`}<//><p><${Command}>tidemill model history ${quoted(model)}<//></p><//>`;
  }}<//>`;
}

function gateWords(gate) {
  return Object.entries(gate ?? {}).map(([key, value]) => [key.replace(/_/g, " "), typeof value === "object" && value !== null ? Object.entries(value).map(([k, v]) => `${k} ${short(v)}`).join(", ") : short(value)]);
}

function Gates({ model }) {
  const story = useValue(path`/v1/models/${model}/history?newest=500`, 15000);
  return html`<${Await} of=${story}>${(s) => {
    const set = [...s.history].reverse().find((e) => e.event === "gate.set");
    const asked = [...s.history].reverse().filter((e) => e.event === "gate.opened" || e.event === "gate.refused");
    return html`<div class="columns"><${Card} title="What it asks of a version">${set ? html`<${Facts} rows=${gateWords(set.details)} /><p class="note">set by ${set.actor}, <${Time} at=${set.at} /></p>`
      : html`<${Empty} command="tidemill apply">Only that a version is whole and answers here as where it was made. More is declared in tidemill.yaml.<//>`}<//>
      <${Card} title="What it said">${asked.length === 0 ? html`<${Empty}>It was not asked yet.<//>` : html`<ul class="list">${asked.slice(0, 40).map((e) => html`<li key=${e.at}>
        <${Badge} is=${e.event === "gate.opened" ? "good" : "bad"}>${e.event === "gate.opened" ? "open" : "refused"}<//>
        <div><a href=${href(["models", model, "versions", e.version])}>version ${e.version}</a> <${Time} at=${e.at} />${(e.details?.checks ?? [{ open: e.event === "gate.opened", said: e.reason }]).map((c) => html`<small><${Badge} is=${c.open ? "good" : "bad"}>${c.said}<//></small>`)}</div></li>`)}</ul>`}<//></div>`;
  }}<//>`;
}

/** A model with its newest versions, of which charts and choices are. */
export const useNewest = (model) => useValue(model && path`/v1/models/${model}` + `?newest=${N_NEWEST}`, 10000);

/** The part of its versions that a place shows. */
export function useVersions(model, place) {
  const of = (page) => page && path`/v1/models/${model}` + `?${asked({ find: place.query.find, ...page })}`;
  const at = useValue(of(pageOf(place)), 10000, true);
  useAhead(of(nextOf(place, at.value?.n_found)));
  return at;
}

function One({ place }) {
  const model = place.parts[1];
  const tab = place.query.tab ?? "versions";
  const shown = useVersions(model, place), newest = useNewest(tab === "diff" ? model : null);
  const at = tab === "diff" ? newest : shown;
  const tabs = [["versions", "Versions", href(["models", model])], ["diff", "Compare", href(["models", model], { tab: "diff", a: at.value?.champion ?? at.value?.versions[1]?.version, b: at.value?.versions.find((v) => v.version !== at.value.champion)?.version })],
    ["gate", "Gate", href(["models", model], { tab: "gate" })], ["history", "History", href(["models", model], { tab: "history" })]];
  return html`<p class="crumbs"><a href="#/models">Models</a></p><h1>${model}</h1>
    <${Await} of=${at}>${(m) => html`
      <div class="heading"><${Tabs} label=${`Parts of ${model}`} tabs=${tabs} at=${tab} />
        <${Move} to=${path`/v1/models/${model}:rollback`} body=${{}} label="Roll back" question=${`What served before version ${m.champion} answers again. It is ready already, so this takes milliseconds.`} done=${(v) => `version ${v.version} serves again`} /></div>
      ${tab === "diff" ? html`<${Diff} model=${model} m=${m} place=${place} />` : tab === "gate" ? html`<${Gates} model=${model} />` : tab === "history" ? html`<${History} model=${model} place=${place} />` : html`<${Versions} model=${model} m=${m} place=${place} />`}`}<//>`;
}

export function Models({ place }) {
  if (place.parts[2] === "versions" && place.parts[3]) return html`<${Version} place=${place} />`;
  return place.parts[1] ? html`<${One} place=${place} />` : html`<${List} place=${place} />`;
}
