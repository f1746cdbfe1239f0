// SPDX-License-Identifier: Apache-2.0
// Keys, the audit, what the log counted.
import { useValue } from "./api.js";
import { html } from "./html.js";
import { Paged } from "./models.js";
import { href } from "./route.js";
import { Await, Badge, Card, Command, Empty, Facts, Field, Table, Tabs, Time, useCan } from "./ui.js";
import { count, plural } from "./words.js";

function Keys({ place }) {
  const at = useValue("/v1/keys", 15000);
  return html`<${Await} of=${at}>${({ keys }) => html`<${Card} wide title=${plural(keys.length, "key")} actions=${html`<${Command}>tidemill key create --role viewer<//>`}>
    ${keys.length === 0 ? html`<${Empty} command="tidemill key create --role admin">There is no key: this machine alone may ask, and only to read and to predict.<//>` : html`<${Paged} rows=${keys} place=${place}>${(part) => html`<${Table} label="Keys" rows=${part} keyOf=${(k) => k.id} columns=${[
      { title: "Key", isMain: true, cell: (k) => html`<code>${k.id}</code>` }, { title: "Whose", cell: (k) => k.name || "–" }, { title: "Role", cell: (k) => k.role }, { title: "Models", cell: (k) => k.models || "all" }, { title: "Rate", cell: (k) => k.rate || "–" },
      { title: "State", cell: (k) => (k.revoked ? html`<${Badge} is="idle">revoked<//>` : k.expires && Date.parse(k.expires) < Date.now() ? html`<${Badge} is="warn">expired<//>` : html`<${Badge} is="good">good<//>`) },
      { title: "Made", cell: (k) => html`<${Time} at=${k.created} />` }, { title: "Ends", cell: (k) => html`<${Time} at=${k.revoked ?? k.expires} />` }]} />`}<//>`}<//>`}<//>`;
}

/** One person's data and refusals stand here too: who did what to which object, and whether it was let. */
function Audit({ place }) {
  const { after, event, actor } = place.query;
  const search = new URLSearchParams(Object.entries(after ? { after, event, actor } : { newest: "200", event, actor }).filter(([, v]) => v));
  const at = useValue(`/v1/audit?${search}`);
  return html`<${Card} wide title="Audit" note="chained by hashes, its end is signed" actions=${html`<label>Event <${Field} value=${event} placeholder="key.created" onChange=${(e) => place.set({ event: e.target.value.trim(), after: null })} /></label>
      <label>Actor <${Field} value=${actor} onChange=${(e) => place.set({ actor: e.target.value.trim(), after: null })} /></label><${Command}>tidemill audit verify<//>`}>
    <${Await} of=${at}>${({ entries, next }) => html`${entries.length === 0 ? html`<${Empty}>No entry is of this kind.<//>` : html`<${Table} label="Entries" rows=${after ? entries : [...entries].reverse()} keyOf=${(e) => e.seq} columns=${[
      { title: "Entry", isMain: true, isNumber: true, cell: (e) => e.seq }, { title: "When", cell: (e) => html`<${Time} at=${e.at} />` }, { title: "What", cell: (e) => html`${e.event}${e.reason ? html`<br /><small>${e.reason}</small>` : ""}` },
      { title: "On", cell: (e) => e.object ?? (e.model ? `${e.model}${e.version ? `@${e.version}` : ""}` : "–") }, { title: "Who", cell: (e) => e.actor },
      { title: "Outcome", cell: (e) => html`<${Badge} is=${/ok|done|allowed/.test(e.outcome) ? "good" : "warn"}>${e.outcome}<//>` }]} />`}
      <p class="pager">${after && html`<button type="button" class="quiet" onClick=${() => place.set({ after: null })}>newest</button>`}${!after && html`<button type="button" class="quiet" onClick=${() => place.set({ after: "0" })}>from the start</button>`}${next && html`<button type="button" class="quiet" onClick=${() => place.set({ after: next })}>next</button>`}</p>`}<//><//>`;
}

function Log() {
  const at = useValue("/v1/status", 5000);
  return html`<${Await} of=${at}>${(s) => html`<div class="columns"><${Card} title="Answers in the log"><${Facts} rows=${Object.entries(s.log).filter(([, v]) => typeof v === "number").map(([k, v]) => [k.replace(/_/g, " "), count(v)])} /><//>
    <${Card} title="Labels"><${Facts} rows=${Object.entries(s.log.labels).map(([k, v]) => [k, count(v)])} /><//></div>`}<//>`;
}

export function Admin({ place }) {
  const may = useCan("audit");
  const tabs = [may && ["keys", "Keys", href(["admin"])], may && ["audit", "Audit", href(["admin"], { tab: "audit" })], ["log", "Log", href(["admin"], { tab: "log" })]].filter(Boolean);
  const tab = tabs.some(([name]) => name === place.query.tab) ? place.query.tab : tabs[0][0];
  return html`<h1>Admin</h1><div class="heading"><${Tabs} label="Parts" tabs=${tabs} at=${tab} /></div>${tab === "keys" ? html`<${Keys} place=${place} />` : tab === "audit" ? html`<${Audit} place=${place} />` : html`<${Log} />`}`;
}
