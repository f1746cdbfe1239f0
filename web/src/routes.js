// SPDX-License-Identifier: Apache-2.0
// Routes: who answers which share, rollouts step by step, shadows, and the experiment of the model; promote and roll back.
import { path, useSignal, useValue, useValues } from "./api.js";
import { Experiment } from "./experiment.js";
import { html } from "./html.js";
import { Routes as RouteTable, routeState } from "./home.js";
import { serving } from "./live.js";
import { href } from "./route.js";
import { Await, Badge, Card, Command, Empty, Facts, Move, Shares, Table, Time } from "./ui.js";
import { count, event, figure, isNumber, NONE, percent, plural, quoted, span } from "./words.js";

function List() {
  const status = useValue("/v1/status", 5000);
  const told = useSignal(serving);
  return html`<h1>Routes</h1><${Await} of=${status}>${(s) => s.routes.length === 0 ? html`<${Card}><${Empty} command="tidemill train data.csv --target COLUMN">There is no route yet: the first version of a model makes one.<//><//>`
    : html`<${Card} wide title=${plural(s.routes.length, "route")} actions=${html`<${Command}>tidemill route ls<//>`}><${RouteTable} routes=${s.routes} told=${told} /><//>`}<//>`;
}

const HELD = { running: "good", done: "good", paused: "idle", stopped: "idle", failed: "bad", breached: "bad", rolled_back: "bad" };

function Rollout({ rollout, route }) {
  const steps = rollout.steps ?? [];
  return html`<${Card} title=${`Rollout of version ${rollout.version}`} actions=${html`<${Badge} is=${HELD[rollout.state] ?? "warn"}>${rollout.state}<//>`}>
    <ol class="stepper">${steps.map((s, i) => html`<li aria-current=${i === rollout.step - 1 ? "step" : undefined} class=${i < rollout.step - 1 ? "past" : ""}>${figure(typeof s === "object" ? s.percent : s)}\u202f%</li>`)}</ol>
    <${Facts} rows=${[["at", rollout.step === 0 ? "its shadow" : `step ${rollout.step} of ${steps.length}`], ["answers", percent(rollout.percent / 100)], ["in this step", html`<${Time} at=${rollout.since} />`], ["a step needs at least", rollout.rows ? plural(rollout.rows, "row") : NONE], ["in place of", `version ${rollout.champion}`]]} />
    <p class="row">${["running", "paused"].includes(rollout.state) && html`<${Move} to=${path`/v1/routes/${route}:rollout`} body=${{ move: rollout.state === "paused" ? "resume" : "pause" }} label=${rollout.state === "paused" ? "Resume" : "Pause"} question="Its share stays as it is until it is resumed." done=${() => "done"} />
      <${Move} to=${path`/v1/routes/${route}:rollout`} body=${{ move: "stop" }} label="Stop" question="The champion answers all requests again." done=${() => "stopped"} />`}</p>
    <p><${Command}>tidemill route rollout ${quoted(route)} --look<//></p><//>`;
}

function Arms({ told, route }) {
  const arms = [...(told?.routes.find((r) => r.route === route)?.arms ?? [])].sort((a, b) => (b.arm === "champion") - (a.arm === "champion") || a.version - b.version);
  if (arms.length === 0) return html`<${Empty}>No request came since the server started.<//>`;
  return html`<${Table} label="Requests by version" rows=${arms} columns=${[
    { title: "Version", isMain: true, cell: (a) => html`${a.version} <small>${a.arm}</small>` },
    { title: "Answered", isNumber: true, cell: (a) => count(a.answered) },
    { title: "Failed", isNumber: true, cell: (a) => (a.failed ? html`<${Badge} is="bad">${count(a.failed)}<//>` : "0") },
    { title: "Otherwise than the client's", isNumber: true, cell: (a) => (a.compared ? `${percent(a.differed / a.compared)} of ${count(a.compared)}` : NONE) },
  ]} />`;
}

function One({ place }) {
  const name = place.parts[1];
  const at = useValue(path`/v1/routes/${name}`, 5000);
  const status = useValue("/v1/status", 5000);
  const told = useSignal(serving);
  const live = status.value?.routes.find((r) => r.route === name);
  const model = at.value?.model;
  const story = useValue(model ? path`/v1/models/${model}/history?newest=200` : null, 15000);
  const moves = (story.value?.history ?? []).filter((e) => /promot|roll|split|shadow|experiment|fallback/.test(e.event)).reverse();
  return html`<p class="crumbs"><a href="#/routes">Routes</a></p><h1>${name}</h1><${Await} of=${at}>${(r) => html`
    <div class="heading">${live && html`<${Badge} is=${routeState(live)[0]}>${routeState(live)[1]}<//>`}<a href=${href(["models", r.model])}>model ${r.model}</a><a href=${href(["live", name])}>live figures</a>
      <${Move} to=${path`/v1/models/${r.model}:rollback`} body=${{}} label="Roll back" question=${`What served before version ${r.champion} answers again. It is kept ready, so this takes milliseconds.`} done=${(v) => `version ${v.version} serves again`} /></div>
    <${Card} wide title="Who answers" note=${r.shadow ? `version ${r.shadow.version} sees ${figure(r.shadow.share)} % and answers nobody` : ""}>
      <${Shares} label="Requests" parts=${r.arms.map((a) => ({ name: `version ${a.version}${a.version === r.champion ? ", champion" : ""}`, percent: a.weight }))} />
      <h3>Since the server started</h3><${Arms} told=${told} route=${name} /><p><${Command}>tidemill route ls<//></p><//>
    <${Experiment} model=${r.model} champion=${r.champion} />
    <div class="columns">${r.rollout && html`<${Rollout} rollout=${r.rollout} route=${name} />`}
      <${Card} title="Moves">${moves.length ? html`<ul class="list changes">${moves.slice(0, 12).map((e) => html`<li key=${e.at + e.event}><${Time} at=${e.at} /><div>${event(e)}<small>${e.actor}${e.reason ? ` — ${e.reason}` : ""}</small></div></li>`)}</ul>` : html`<${Empty}>Nothing was moved yet.<//>`}<//></div>`}<//>`;
}

export function Routes({ place }) {
  return place.parts[1] ? html`<${One} place=${place} />` : html`<${List} />`;
}
