// SPDX-License-Identifier: Apache-2.0
// One version: its card, what it learned from, how good it is, who signed it, and where it comes from as a picture.
import { path, useValue } from "./api.js";
import { html } from "./html.js";
import { href } from "./route.js";
import { Aliases } from "./models.js";
import { Await, Badge, Bar, Card, Command, Empty, Facts, Hash, Interval, Table, Time } from "./ui.js";
import { bytes, count, figure, isNumber, NONE, percent, quoted } from "./words.js";

const N_COLUMNS = 25;

function text(value) {
  if (value == null) return NONE;
  if (typeof value === "number") return figure(value, 6);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" ? (value.length > 80 ? value.slice(0, 79) + "…" : value) : JSON.stringify(value).slice(0, 120);
}

/** Scores of a version beside those of a constant answer. */
export function Scores({ v }) {
  const names = Object.keys(v.test ?? v.validation ?? {}).filter((n) => n !== "n_rows");
  return html`<${Table} label="Scores" rows=${names} columns=${[
    { title: "Score", isMain: true, cell: (n) => n },
    { title: "Validation", isNumber: true, cell: (n) => figure(v.validation?.[n]) },
    { title: "Test", isNumber: true, cell: (n) => html`<b>${figure(v.test?.[n])}</b>` },
    { title: "Constant answer", isNumber: true, cell: (n) => figure(v.baseline?.[n]) },
  ]} />`;
}

function Importance({ columns }) {
  const most = columns[0]?.share || 1;
  return html`<${Table} label="Columns by importance" rows=${columns.slice(0, N_COLUMNS)} columns=${[
    { title: "Column", isMain: true, cell: (c) => c.column },
    { title: "", cell: (c) => html`<${Bar} share=${c.share / most} />` },
    { title: "Share", isNumber: true, cell: (c) => percent(c.share) },
  ]} />${columns.length > N_COLUMNS && html`<p class="note">and ${count(columns.length - N_COLUMNS)} more</p>`}`;
}

export function Leaderboard({ rows, metric, label = "Leaderboard" }) {
  const scores = rows.map((r) => r.score).filter(isNumber);
  const range = { from: Math.min(...scores), to: Math.max(...scores) };
  return html`<${Table} label=${label} rows=${rows} onRow=${(r) => (r.chosen ? "chosen" : "")} columns=${[
    { title: "Learner", isMain: true, cell: (r) => html`${r.learner} ${r.chosen ? html`<${Badge} is="good">chosen<//>` : ""}` },
    { title: metric ?? "Score", isNumber: true, cell: (r) => figure(r.score, 5) },
    { title: "", cell: (r) => html`<${Interval} value=${r.score} ...${range} label="score" />` },
    { title: "Rows", isNumber: true, cell: (r) => count(r.rows) },
    { title: "Rounds", isNumber: true, cell: (r) => (r.rounds ? count(r.rounds) : NONE) },
    { title: "Parameters", cell: (r) => html`<details><summary>${Object.keys(r.params ?? {}).length}</summary><code class="block">${Object.entries(r.params ?? {}).map(([k, x]) => `${k}=${text(x)}`).join("\n")}</code></details>` },
  ]} />`;
}

/** From the rows to who answers with them: steps from left to right, each a link where there is more to see; read aloud as a list. */
function Lineage({ model, v }) {
  const of = v.lineage ?? {};
  const from = of.source ?? {};
  const status = useValue("/v1/status", 30000);
  const routes = (status.value?.routes ?? []).filter((r) => r.model === model && r.version === v.version);
  const before = of.parent ?? of.continues?.version;
  const steps = [
    ["data", from.source ? html`<a href=${href(["data"])}>${from.source}</a>` : from.path ?? (from.sql || from.query ? "a query" : "a table"), `${isNumber(v.columns) ? `${count(v.columns)} columns` : ""}`],
    ["snapshot", html`<${Hash} of=${String(of.snapshot ?? v.snapshot ?? NONE)} />`, `${isNumber(v.rows) ? `${count(v.rows)} rows to learn from` : ""}${of.test_snapshot ? ", others to test" : ""}`],
    ["run", html`<a href=${href(["training", model], { version: v.version })}>${v.learner ?? "training"}</a>`, v.leaderboard?.length > 1 ? `the best of ${count(v.leaderboard.length)} trials, seed ${v.seed}` : `seed ${v.seed}`],
    ["version", html`<b>${model}@${v.version}</b>`, html`${before ? html`after <a href=${href(["models", model, "versions", before])}>version ${before}</a>` : "the first"}`],
    ["route", routes.length ? routes.map((r) => html`<a href=${href(["routes", r.route])}>${r.route}</a> `) : "none", routes.length ? `answers${isNumber(routes[0].weight) ? ` ${figure(routes[0].weight)} %` : ""}` : "nobody is answered by it"],
  ];
  return html`<ol class="lineage" aria-label="Where it comes from and where it goes">${steps.map(([kind, name, note]) => html`<li><span class="kind">${kind}</span><span class="name">${name}</span><small>${note}</small></li>`)}</ol>`;
}

export function Version({ place }) {
  const [, model, , number] = place.parts;
  const at = useValue(path`/v1/models/${model}/versions/${number}`, 0);
  const name = quoted(`${model}@${number}`);
  return html`<p class="crumbs"><a href="#/models">Models</a> / <a href=${href(["models", model])}>${model}</a></p><h1>Version ${number}</h1>
    <${Await} of=${at}>${(v) => html`<p class="heading"><${Aliases} of=${v.aliases} /> <${Command}>tidemill model show ${name}<//></p>
      <${Card} wide title="Where it comes from"><${Lineage} model=${model} v=${v} /><//>
      <div class="columns">
        <${Card} title="How good"><${Scores} v=${v} />${v.calibration && html`<p class="note">Calibration: ${v.calibration.method}${v.calibration.reason ? `, ${v.calibration.reason}` : ""}.</p>`}<//>
        <${Card} title="Card"><${Facts} rows=${[["state", v.state], ["predicts", v.target], ["task", v.task], ["learner", v.learner], ["rows", isNumber(v.rows) && count(v.rows)], ["columns", isNumber(v.columns) && count(v.columns)], ["seed", v.seed], ["made", html`<${Time} at=${v.created} />`],
          ["bundle", html`<${Hash} of=${v.bundle_hash} />`], ["size", bytes(v.bytes)], ["signed by", v.lineage?.signer ?? "nobody"], ...Object.entries(v.tags ?? {}).map(([k, x]) => [k, x])].filter(([, x]) => x != null && x !== false)} />
          ${(v.notes ?? []).map((n) => html`<blockquote>${n.note ?? n.text}<footer>${n.actor ?? n.by} <${Time} at=${n.at} /></footer></blockquote>`)}
          <p><${Command}>tidemill model report ${name} --html report.html<//></p><//>
        ${v.importance?.length ? html`<${Card} title="What it looks at"><${Importance} columns=${v.importance} /><//>` : null}
        <${Card} title="What was tried">${v.leaderboard?.length ? html`<${Leaderboard} rows=${v.leaderboard} metric=${v.metric} />` : html`<${Empty}>One learner with given parameters: nothing was searched.<//>`}<//>
        ${v.intervals?.test?.length ? html`<${Card} title="Do its intervals hold?" note=${v.intervals.reason}><${Table} label="Intervals" rows=${v.intervals.test} columns=${[
          { title: "Promised", isMain: true, cell: (r) => percent(r.level, 0) }, { title: "Covered", isNumber: true, cell: (r) => percent(r.covered) },
          { title: "", cell: (r) => html`<${Interval} value=${r.covered} low=${r.low} high=${r.high} from=${0.4} to=${1} label="covered" />` },
          { title: "Width", isNumber: true, cell: (r) => figure(r.classes ?? r.width) + (r.classes ? (r.classes === 1 ? " class" : " classes") : "") }]} /><//>` : null}
      </div>`}<//>`;
}
