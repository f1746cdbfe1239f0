// SPDX-License-Identifier: Apache-2.0
// Runs: what each version of a model learned, how its scores went from version to version, and what was tried.
import { path, useValue } from "./api.js";
import { Chart, csv, download } from "./chart.js";
import { html } from "./html.js";
import { Learning } from "./learning.js";
import { useNewest, useVersions } from "./models.js";
import { Find, Pager } from "./paging.js";
import { href } from "./route.js";
import { Await, Badge, Card, Command, Empty, Facts, Table, Time } from "./ui.js";
import { count, figure, isNumber, plural, quoted } from "./words.js";
import { Leaderboard, Scores } from "./version.js";

/** What was tried, as a table for other programs. */
function trialsOf(v) {
  const names = [...new Set(v.leaderboard.flatMap((r) => Object.keys(r.params ?? {})))].sort();
  return csv([["chosen", "learner", v.metric, "rows", "folds", "rounds", ...names], ...v.leaderboard.map((r) => [r.chosen ? 1 : 0, r.learner, r.score, r.rows, r.folds, r.rounds, ...names.map((n) => r.params?.[n])])]);
}

/** How its search and the fits of what it chose went, as it was heard while it ran. */
function Curves({ v, model }) {
  const { search, rounds } = v.curves ?? {};
  const command = `tidemill model show ${quoted(`${model}@${v.version}`)} --json`;
  if (!search && !rounds) return null;
  return html`<div class="columns spaced">
    ${search && html`<${Chart} title=${`Best ${v.metric} of the search, by seconds`} along="seconds" times=${search.seconds} series=${[{ name: v.metric, values: search.score }]} file=${`${model}-${v.version}-search`} command=${command} />`}
    ${rounds && html`<${Chart} title=${`Loss on rows that are not learned from, by round${rounds.learner ? `: ${rounds.learner}` : ""}`} along="round" times=${rounds.round} series=${[{ name: "loss", values: rounds.loss }]} file=${`${model}-${v.version}-rounds`} command=${command} />`}</div>`;
}

/** The report of a run: its rows, what was chosen and how it scores, what the gate said of it, and all that was tried. */
function Report({ model, version }) {
  const at = useValue(path`/v1/models/${model}/versions/${version}`);
  const story = useValue(path`/v1/models/${model}/history?newest=500`, 15000);
  const gate = [...(story.value?.history ?? [])].reverse().find((e) => e.version === version && (e.event === "gate.opened" || e.event === "gate.refused"));
  return html`<${Card} wide title=${`The run that made version ${version}`} actions=${html`<a href=${href(["models", model, "versions", version])}>its card</a><${Command}>tidemill model report ${quoted(`${model}@${version}`)} --html report.html<//>`}><${Await} of=${at}>${(v) => html`
    <${Facts} rows=${[["learned from", `${count(v.rows)} rows, ${count(v.columns)} columns`], ["tested on", isNumber(v.test?.n_rows) && plural(v.test.n_rows, "row")], ["predicts", `${v.target} (${v.task})`], ["chosen", v.learner], ["seed", v.seed], ["left out", v.left_out?.length ? plural(v.left_out.length, "column") : "no column"], ["made", html`<${Time} at=${v.created} />`],
      ["gate", gate ? html`<${Badge} is=${gate.event === "gate.opened" ? "good" : "bad"}>${gate.event === "gate.opened" ? "open" : "refused"}<//>` : "was not asked"]].filter(([, x]) => x != null && x !== false)} />
    ${gate?.reason && html`<p class="note">${gate.reason}</p>`}
    <${Curves} v=${v} model=${model} />
    <div class="columns spaced"><div><h3>Scores</h3><${Scores} v=${v} /></div><div><h3>What was tried for version ${version}${v.leaderboard?.length ? html` <button type="button" class="quiet" onClick=${() => download(`${model}-${version}-trials.csv`, trialsOf(v))}>CSV</button>` : ""}</h3>
      ${v.leaderboard?.length ? html`<${Leaderboard} rows=${v.leaderboard} metric=${v.metric} />` : html`<${Empty}>One learner with given parameters: nothing was searched.<//>`}</div></div>`}<//><//>`;
}

function Runs({ model, place }) {
  const at = useVersions(model, place), newest = useNewest(model);
  return html`<${Await} of=${at}>${(m) => {
    const recent = newest.value?.versions ?? m.versions;
    const names = Object.keys(recent[0]?.test ?? {}).filter((n) => n !== "n_rows");
    const metric = names.includes(place.query.score) ? place.query.score : names.includes("logloss") ? "logloss" : names[0];
    const inTime = [...recent].reverse();
    const chosen = Number(place.query.version) || recent[0]?.version;
    return html`${inTime.length > 1 && metric && html`<${Card} wide actions=${html`<label>Score <select value=${metric} onChange=${(e) => place.set({ score: e.target.value })}>${names.map((n) => html`<option value=${n}>${n}</option>`)}</select></label>`}>
        <${Chart} title=${`${metric} of each version on its own test`} file=${`${model}-${metric}`} times=${inTime.map((v) => Date.parse(v.created) / 1000)} series=${[{ name: metric, values: inTime.map((v) => v.test?.[metric] ?? null) }]} command=${`tidemill model ls ${quoted(model)} --json`} /><//>`}
      <${Card} wide title=${plural(m.n_versions, "run")} actions=${html`<${Find} place=${place} label="Find by number, learner, state or alias" /><${Command}>tidemill retrain ${quoted(model)}<//>`}><${Table} label="Runs" rows=${m.versions} keyOf=${(v) => v.version} onRow=${(v) => (v.version === chosen ? "chosen" : "")} columns=${[
        { title: "Version", isMain: true, cell: (v) => html`<a href=${href(["training", model], { ...place.query, version: v.version })}>${v.version}</a>` },
        { title: "Learner", cell: (v) => v.learner }, { title: "State", cell: (v) => html`<${Badge} is=${v.state === "ready" ? "good" : "bad"}>${v.state}<//>` },
        ...names.slice(0, 5).map((n) => ({ title: n, isNumber: true, cell: (v) => figure(v.test?.[n]) })),
        { title: "Test rows", isNumber: true, cell: (v) => count(v.test?.n_rows) }, { title: "Made", cell: (v) => html`<${Time} at=${v.created} />` },
      ]} /><${Pager} place=${place} n=${m.versions.length} total=${m.n_found} /><//>${chosen && html`<${Report} model=${model} version=${chosen} key=${chosen} />`}<${Turns} model=${model} />`;
  }}<//>`;
}

const ENDS = { promoted: "good", refused: "warn", failed: "bad", rolled_back: "bad", kept: "idle" };
const said = (x) => (x == null ? null : typeof x === "object" ? (x.trigger ?? x.reason ?? x.summary ?? null) : String(x));

/** Retrainings as they went: why, what came of it, step by step. */
function Turns({ model }) {
  const at = useValue(path`/v1/models/${model}/turns?newest=50`, 5000);
  return html`<${Card} wide title="Retrainings" note="by themselves or by hand, the newest first" actions=${html`<${Command}>tidemill retrain ${quoted(model)} --turns<//>`}><${Await} of=${at}>${({ turns }) => turns.length === 0
    ? html`<${Empty} command=${`tidemill retrain ${quoted(model)}`}>It was not learned again yet.<//>`
    : html`<${Table} label="Retrainings" rows=${turns} keyOf=${(t) => t.turn} columns=${[
      { title: "Turn", isMain: true, cell: (t) => t.turn }, { title: "State", cell: (t) => html`<${Badge} is=${t.outcome ? ENDS[t.outcome] ?? "idle" : "warn"}>${t.outcome ?? t.state}<//>` },
      { title: "Why", cell: (t) => said(t.because) ?? said(t.trigger) ?? "by hand" }, { title: "Gate", cell: (t) => (t.gate ? html`<${Badge} is=${t.gate.open ? "good" : "bad"}>${t.gate.open ? "open" : "refused"}<//>${t.gate.reason ? html`<br /><small>${t.gate.reason}</small>` : ""}` : "–") }, { title: "Made", cell: (t) => (t.version ? html`<a href=${href(["models", model, "versions", t.version])}>version ${t.version}</a>` : "–") },
      { title: "In place of", cell: (t) => (t.champion ? `version ${t.champion}` : "–") }, { title: "Began", cell: (t) => html`<${Time} at=${t.began} />` },
      { title: "Steps", cell: (t) => (t.steps?.length ? html`<details><summary>${t.steps.length}</summary><ul class="list">${t.steps.map((s) => html`<li><${Time} at=${s.at} /><div>${s.event}${s.reason ? html`<small>${s.reason}</small>` : ""}</div></li>`)}</ul></details>` : "–") }]} />`}<//><//>`;
}

export function Training({ place }) {
  const models = useValue("/v1/models", 15000);
  return html`<h1>Training</h1><${Await} of=${models}>${(v) => {
    if (v.models.length === 0) return html`<${Learning} /><${Card}><${Empty} command="tidemill train data.csv --target COLUMN">Nothing was learned yet.<//><//>`;
    const model = v.models.find((m) => m.model === place.parts[1])?.model ?? v.models[0].model;
    return html`<div class="heading"><label>Model <select value=${model} onChange=${(e) => { location.hash = href(["training", e.target.value]); }}>${v.models.map((m) => html`<option value=${m.model}>${m.model}</option>`)}</select></label></div><${Learning} /><${Runs} model=${model} place=${place} key=${model} />`;
  }}<//>`;
}
