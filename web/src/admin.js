// SPDX-License-Identifier: Apache-2.0
// Keys, the whole story, whose versions are taken, what the log counted.
import { useValue } from "./api.js";
import { html } from "./html.js";
import { Changes } from "./home.js";
import { Paged } from "./models.js";
import { href } from "./route.js";
import { Await, Badge, Card, Command, Empty, Facts, Table, Tabs, Time, useCan } from "./ui.js";
import { count, plural } from "./words.js";

function Keys({ place }) {
  const at = useValue("/v1/keys", 15000);
  return html`<${Await} of=${at}>${({ keys }) => html`<${Card} wide title=${plural(keys.length, "key")} actions=${html`<${Command}>tidemill key create --role viewer<//>`}>
    ${keys.length === 0 ? html`<${Empty} command="tidemill key create --role admin">There is no key: this machine alone may ask, and only to read and to predict.<//>` : html`<${Paged} rows=${keys} place=${place}>${(part) => html`<${Table} label="Keys" rows=${part} keyOf=${(k) => k.id} columns=${[
      { title: "Key", isMain: true, cell: (k) => html`<code>${k.id}</code>` }, { title: "Whose", cell: (k) => k.name || "–" }, { title: "Role", cell: (k) => k.role }, { title: "Models", cell: (k) => k.models || "all" }, { title: "Rate", cell: (k) => k.rate || "–" },
      { title: "State", cell: (k) => (k.revoked ? html`<${Badge} is="idle">revoked<//>` : k.expires && Date.parse(k.expires) < Date.now() ? html`<${Badge} is="warn">expired<//>` : html`<${Badge} is="good">good<//>`) },
      { title: "Made", cell: (k) => html`<${Time} at=${k.created} />` }, { title: "Ends", cell: (k) => html`<${Time} at=${k.revoked ?? k.expires} />` }]} />`}<//>`}<//>`}<//>`;
}

function Story({ place }) {
  const after = Number(place.query.after) || 0;
  const at = useValue(`/v1/history?after=${after}`, 0);
  return html`<${Await} of=${at}>${(s) => html`<${Card} wide title="The whole story" note="chained by hashes" actions=${html`<${Command}>tidemill doctor<//>`}><${Changes} records=${s.history} />
    <p class="pager">${after > 0 && html`<button type="button" class="quiet" onClick=${() => place.set({ after: null })}>from the start</button>`}${s.next && html`<button type="button" class="quiet" onClick=${() => place.set({ after: s.next })}>newer</button>`}</p><//>`}<//>`;
}

function Log() {
  const at = useValue("/v1/status", 5000);
  return html`<${Await} of=${at}>${(s) => html`<div class="columns"><${Card} title="Answers in the log"><${Facts} rows=${Object.entries(s.log).filter(([, v]) => typeof v === "number").map(([k, v]) => [k.replace(/_/g, " "), count(v)])} /><//>
    <${Card} title="Labels"><${Facts} rows=${Object.entries(s.log.labels).map(([k, v]) => [k, count(v)])} /><//></div>`}<//>`;
}

export function Admin({ place }) {
  const may = useCan("audit");
  const tabs = [may && ["keys", "Keys", href(["admin"])], may && ["story", "Story", href(["admin"], { tab: "story" })], ["log", "Log", href(["admin"], { tab: "log" })]].filter(Boolean);
  const tab = tabs.some(([name]) => name === place.query.tab) ? place.query.tab : tabs[0][0];
  return html`<h1>Admin</h1><div class="heading"><${Tabs} label="Parts" tabs=${tabs} at=${tab} /></div>${tab === "keys" ? html`<${Keys} place=${place} />` : tab === "story" ? html`<${Story} place=${place} />` : html`<${Log} />`}`;
}
