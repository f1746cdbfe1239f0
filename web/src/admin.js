// SPDX-License-Identifier: Apache-2.0
// Keys, the audit, what the log counted.
import { useState } from "preact/hooks";
import { get, path, useValue } from "./api.js";
import { html } from "./html.js";
import { asked, Find, pageOf, Paged, Pager } from "./paging.js";
import { href } from "./route.js";
import { Await, Badge, Card, Command, Empty, Facts, Field, Move, Table, Tabs, Time, useCan } from "./ui.js";
import { count, plural, span } from "./words.js";

function Keys({ place }) {
  const at = useValue("/v1/keys", 15000);
  return html`<${Await} of=${at}>${({ keys }) => html`<${Card} wide title=${plural(keys.length, "key")} actions=${html`<${Command}>tidemill key create --role viewer<//>`}>
    ${keys.length === 0 ? html`<${Empty} command="tidemill key create --role admin">There is no key: this machine alone may ask, and only to read and to predict.<//>` : html`<${Paged} rows=${keys} place=${place}>${(part) => html`<${Table} label="Keys" rows=${part} keyOf=${(k) => k.id} columns=${[
      { title: "Key", isMain: true, cell: (k) => html`<code>${k.id}</code>` }, { title: "Whose", cell: (k) => k.name || "–" }, { title: "Role", cell: (k) => k.role }, { title: "Models", cell: (k) => k.models || "all" }, { title: "Rate", cell: (k) => k.rate || "–" },
      { title: "State", cell: (k) => (k.revoked ? html`<${Badge} is="idle">revoked<//>` : k.expires && Date.parse(k.expires) < Date.now() ? html`<${Badge} is="warn">expired<//>` : html`<${Badge} is="good">good<//>`) },
      { title: "Made", cell: (k) => html`<${Time} at=${k.created} />` }, { title: "Ends", cell: (k) => html`<${Time} at=${k.revoked ?? k.expires} />` }]} />`}<//>`}<//>`}<//>`;
}

/** Whether the chain is whole, asked when somebody wants to know: every entry is read. */
function Verify() {
  const [state, set] = useState(null);
  const go = async () => {
    set("asked");
    set(await get("/v1/audit/verify").catch((error) => ({ ok: false, problem: error.message })));
  };
  return html`<button type="button" disabled=${state === "asked"} onClick=${go}>Verify</button>
    <span role="status">${state === "asked" ? "reading every entry…" : state && (state.ok
      ? html`<${Badge} is="good">${plural(state.entries, "entry", "entries")} whole${state.signed ? html`, signed <${Time} at=${state.signed} />` : ""}<//>${state.restored && html` <${Badge} is="warn">restored <${Time} at=${state.restored.details?.at} />, which the next entry will say<//>`}`
      : html`<${Badge} is="bad">${state.problem}<//>`)}</span><${Command}>tidemill audit verify<//>`;
}

/** One person's data and refusals stand here too: who did what to which object, and whether it was let. */
function Audit({ place }) {
  const { after, event, actor } = place.query;
  const search = asked(after ? { after, event, actor } : { newest: 200, event, actor });
  const at = useValue(`/v1/audit?${search}`);
  return html`<${Card} wide title="Audit" note="chained by hashes, its end is signed" actions=${html`<label>Event <${Field} value=${event} placeholder="key.created" onChange=${(e) => place.set({ event: e.target.value.trim(), after: null })} /></label>
      <label>Actor <${Field} value=${actor} onChange=${(e) => place.set({ actor: e.target.value.trim(), after: null })} /></label><${Verify} />`}>
    <${Await} of=${at}>${({ entries, next }) => html`${entries.length === 0 ? html`<${Empty}>No entry is of this kind.<//>` : html`<${Table} label="Entries" rows=${after ? entries : [...entries].reverse()} keyOf=${(e) => e.seq} columns=${[
      { title: "Entry", isMain: true, isNumber: true, cell: (e) => e.seq }, { title: "When", cell: (e) => html`<${Time} at=${e.at} />` }, { title: "What", cell: (e) => html`${e.event}${e.reason ? html`<br /><small>${e.reason}</small>` : ""}` },
      { title: "On", cell: (e) => e.object ?? (e.model ? `${e.model}${e.version ? `@${e.version}` : ""}` : "–") }, { title: "Who", cell: (e) => e.actor },
      { title: "Outcome", cell: (e) => html`<${Badge} is=${/ok|done|allowed/.test(e.outcome) ? "good" : "warn"}>${e.outcome}<//>` }]} />`}
      <p class="pager">${after && html`<button type="button" class="quiet" onClick=${() => place.set({ after: null })}>newest</button>`}${!after && html`<button type="button" class="quiet" onClick=${() => place.set({ after: "0" })}>from the start</button>`}${next && html`<button type="button" class="quiet" onClick=${() => place.set({ after: next })}>next</button>`}</p>`}<//><//>`;
}

const JOBS = { running: "idle", cancelling: "warn", done: "good", failed: "bad", lost: "bad", cancelled: "warn" };
const lasted = (j) => (j.ended ? span((Date.parse(j.ended) - Date.parse(j.started)) / 1000) : "…");

function Jobs({ place }) {
  const at = useValue(`/v1/jobs?${asked({ find: place.query.find, ...pageOf(place) })}`, 5000);
  return html`<${Await} of=${at}>${({ jobs, n_jobs }) => html`<${Card} wide title=${plural(n_jobs, "job")} note="the work of child processes, the newest first" actions=${html`<${Find} place=${place} label="Find by model, kind or state" /><${Command}>tidemill job ls<//>`}>
    ${n_jobs === 0 ? html`<${Empty} command="tidemill retrain MODEL">${place.query.find ? "No job is such." : "No job has run yet: `tidemill run` begins them by itself."}<//>` : html`<${Table} label="Jobs" rows=${jobs} keyOf=${(j) => j.id} columns=${[
      { title: "Job", isMain: true, cell: (j) => html`<code>${j.id}</code>` }, { title: "Kind", cell: (j) => j.kind }, { title: "Model", cell: (j) => (j.model ? html`<a href=${href(["models", j.model])}>${j.model}</a>` : "–") },
      { title: "State", cell: (j) => html`<${Badge} is=${JOBS[j.state] ?? "warn"}>${j.state}<//>${j.result?.error ? html`<br /><small>${j.result.error}</small>` : ""}` }, { title: "Began", cell: (j) => html`<${Time} at=${j.started} />` }, { title: "Took", isNumber: true, cell: lasted },
      { title: "", cell: (j) => j.kind === "retrain" && ["running", "waits"].includes(j.state) && html`<${Move} permission="train" to=${path`/v1/jobs/${j.id}:cancel`} body=${{}} label="Cancel" question=${`Nothing comes of this retraining of ${j.model}; it is learned again when it is next due.`} done=${() => "cancelled"} />` }]} /><${Pager} place=${place} n=${jobs.length} total=${n_jobs} />`}<//>`}<//>`;
}

/** What people asked for their data: nobody is named, for the chain holds what stands for a person and no id. */
function Subjects() {
  const at = useValue("/v1/audit?event=subject&newest=200", 15000);
  return html`<${Card} wide title="Persons" note="an id is given to a command, never to this page" actions=${html`<${Command}>tidemill subject export ID -o FILE<//><${Command}>tidemill subject erase ID --certificate FILE<//>`}>
    <${Await} of=${at}>${({ entries }) => entries.length === 0 ? html`<${Empty}>Nobody's data was asked for or erased yet.<//>` : html`<${Table} label="Requests of persons" rows=${[...entries].reverse()} keyOf=${(e) => e.seq} columns=${[
      { title: "Entry", isMain: true, isNumber: true, cell: (e) => e.seq }, { title: "When", cell: (e) => html`<${Time} at=${e.at} />` }, { title: "What", cell: (e) => e.event }, { title: "Of whom", cell: (e) => (e.subject ? html`<code title="stands for the person">${String(e.subject).slice(0, 12)}</code>` : "–") },
      { title: "Who", cell: (e) => e.actor }, { title: "Outcome", cell: (e) => html`<${Badge} is=${/ok|done|allowed/.test(e.outcome) ? "good" : "warn"}>${e.outcome}<//>` }]} />`}<//><//>`;
}

function Log() {
  const at = useValue("/v1/status", 5000);
  return html`<${Await} of=${at}>${(s) => html`<div class="columns"><${Card} title="Answers in the log"><${Facts} rows=${Object.entries(s.log).filter(([, v]) => typeof v === "number").map(([k, v]) => [k.replace(/_/g, " "), count(v)])} /><//>
    <${Card} title="Labels"><${Facts} rows=${Object.entries(s.log.labels).map(([k, v]) => [k, count(v)])} /><//></div>`}<//>`;
}

const PARTS = { jobs: Jobs, keys: Keys, audit: Audit, subjects: Subjects, log: Log };

export function Admin({ place }) {
  const may = useCan("audit");
  const tabs = [["jobs", "Jobs"], may && ["keys", "Keys"], may && ["audit", "Audit"], may && ["subjects", "Persons"], ["log", "Log"]].filter(Boolean).map(([name, title]) => [name, title, href(["admin"], { tab: name })]);
  const tab = tabs.some(([name]) => name === place.query.tab) ? place.query.tab : tabs[0][0];
  return html`<h1>Admin</h1><div class="heading"><${Tabs} label="Parts" tabs=${tabs} at=${tab} /></div><${PARTS[tab]} place=${place} key=${tab} />`;
}
