// SPDX-License-Identifier: Apache-2.0
// The experiment on versions of a model: its verdict, what it rests on, and how the interval went as labels came.
import { path, useValue } from "./api.js";
import { Chart } from "./chart.js";
import { html } from "./html.js";
import { Await, Badge, Card, Command, Empty, Facts, Interval, Move, Table, Time } from "./ui.js";
import { count, figure, isNumber, NONE, percent, plural, quoted, span } from "./words.js";

// What a decision is to who looks, and in a word.
const DECISIONS = {
  treatment_better: ["good", "the treatment is better"], treatment_worse: ["bad", "the treatment is worse"], no_difference: ["idle", "no difference was shown"],
  guardrail: ["bad", "a guardrail is broken"], mismatch: ["bad", "the arms cannot be compared"], wait: ["idle", "not decided yet"],
};
const STATES = { kept: "good", open: "idle", breach: "bad", decided: "good" };

function Metrics({ e }) {
  const metrics = [{ ...e.metric, state: e.metric.decided ? "decided" : "open" }, ...e.guardrails];
  const all = metrics.flatMap((m) => [m.low, m.high, m.difference, 0]).filter(isNumber);
  const range = { from: Math.min(...all), to: Math.max(...all) };
  const arm = (i) => ({ title: e.arms[i].arm, isNumber: true, cell: (m) => figure(m.means[i]) });
  return html`<${Table} label="What is compared" rows=${metrics} columns=${[
    { title: "Metric", isMain: true, cell: (m, i) => html`${m.metric}<br /><small>${"margin" in m ? `guardrail, at most ${figure(m.margin)} worse` : `${m.smaller_is_better ? "less" : "more"} is better`}</small>` },
    arm(0), arm(1),
    { title: "Difference", isNumber: true, cell: (m) => html`<b>${figure(m.difference)}</b>` },
    { title: "", cell: (m) => html`<${Interval} value=${m.difference} low=${m.low} high=${m.high} ...${range} zero label=${`difference of ${m.metric}`} />` },
    { title: "At any time between", isNumber: true, cell: (m) => (isNumber(m.low) ? `${figure(m.low)} and ${figure(m.high)}` : NONE) },
    { title: "", cell: (m) => html`<${Badge} is=${STATES[m.state] ?? "idle"}>${m.state}<//>` },
  ]} />`;
}

function OverTime({ e }) {
  const points = e.over_time.filter((p) => isNumber(p.low) && p.at);
  const command = `tidemill experiment status ${quoted(e.model)} --over-time`;
  if (points.length < 2) return html`<${Empty} command=${command}>${e.over_time.length < 2 ? "Labels of two moments are needed for a line." : "The interval is not known yet: more units must be judged."}<//>`;
  const of = (name) => points.map((p) => p[name]);
  const decided = e.metric.decided?.at;
  const width = (p) => p.high - p.low, last = points[points.length - 1];
  const fitFrom = Math.min(points.findIndex((p) => width(p) <= 4 * width(last)), Math.floor(points.length / 2)); // the first intervals are as wide as can be
  return html`<${Chart} title=${`Difference of ${e.metric.metric}, as ${e.delay_seconds ? "units were judged" : "labels came"}`} file=${`${e.model}-experiment-${e.experiment}`} command=${command} fitFrom=${fitFrom}
    times=${points.map((p) => Date.parse(p.at) / 1000)} marks=${decided ? [{ at: Date.parse(decided) / 1000, text: "decided" }] : []}
    series=${[{ name: "at least", values: of("low"), isBand: true, colour: 0 }, { name: "at most", values: of("high"), isBand: true, colour: 0 }, { name: "difference", values: of("difference"), colour: 0 },
      { name: "no difference", values: points.map(() => 0), colour: 1 }, { name: "units of the control", values: points.map((p) => p.units[0]), isHidden: true }, { name: "units of the treatment", values: points.map((p) => p.units[1]), isHidden: true }]} />`;
}

function Told({ e, champion }) {
  const [is, word] = DECISIONS[e.decision] ?? ["idle", e.decision];
  const [control, treatment] = e.versions;
  return html`<div class="heading"><${Badge} is=${e.state === "running" ? "good" : "idle"}>${e.state}<//><${Badge} is=${is}>${word}<//>
      ${e.state === "running" && treatment !== champion && html`<${Move} to=${path`/v1/models/${e.model}:promote`} body=${{ version: treatment }} label=${`Promote version ${treatment}`} question=${`Version ${treatment} answers all requests in place of version ${champion}, if its gate agrees. The experiment goes on being judged by what was logged.`} done=${(v) => `version ${v.version} serves`} />`}</div>
    <p>${e.verdict}</p>
    <${Metrics} e=${e} /><${OverTime} e=${e} />
    <${Facts} rows=${[["control and treatment", `versions ${control} and ${treatment}, ${percent(1 - e.share, 0)} and ${percent(e.share, 0)}`], ["judged", `${count(e.judged)} of ${plural(e.units, "unit")}${e.rule.horizon ? `, the last look at ${count(e.rule.horizon)}` : ""}`],
      ["a unit is judged", e.delay_seconds ? `${span(e.delay_seconds)} after its first answer` : "when its label comes"], ["shares as planned", `p = ${figure(e.sample_ratio.any_time_p_value, 2)}`],
      ["a difference that is none is found", `at most ${percent(e.alpha ?? e.rule.alpha, 1)} of the time`], ["at its verdict", e.then === "nothing" ? "people look" : e.then === "promote" ? "a better treatment is promoted" : "it ends"],
      ["started", html`<${Time} at=${e.started} /> by ${e.started_by}`], e.hypothesis && ["because", e.hypothesis], e.stopped && ["stopped", html`<${Time} at=${e.stopped} /> by ${e.stopped_by}`], e.stop_reason && ["because", e.stop_reason]]} />
    ${e.coverage.differs && html`<p><${Badge} is="warn">outcomes are known of ${percent(e.coverage.shares[0])} of one arm and ${percent(e.coverage.shares[1])} of the other<//></p>`}
    <p><${Command}>tidemill experiment status ${quoted(e.model)}<//></p>`;
}

export function Experiment({ model, champion }) {
  const at = useValue(path`/v1/models/${model}/experiment`, 30000);
  const title = at.value ? `Experiment ${at.value.experiment}: version ${at.value.versions[1]} against version ${at.value.versions[0]}` : "Experiment";
  return html`<${Card} wide title=${title}>${at.error?.status === 404
    ? html`<${Empty} command=${`tidemill experiment start ${quoted(model)} --help`}>None was made on the versions of this model.<//>`
    : html`<${Await} of=${at}>${(e) => html`<${Told} e=${e} champion=${champion} />`}<//>`}<//>`;
}
