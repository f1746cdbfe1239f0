// SPDX-License-Identifier: Apache-2.0
// Alerts: those that are open, those that were, and what may be done about one.
import { useValue } from "./api.js";
import { byWeight } from "./home.js";
import { html } from "./html.js";
import { Paged } from "./paging.js";
import { href } from "./route.js";
import { Await, Badge, Card, Command, Empty, Facts, Move, Time } from "./ui.js";
import { figure, plural } from "./words.js";

const SEVERITY = { critical: "bad", warning: "warn", info: "idle" };
const text = (v) => (typeof v === "number" ? figure(v) : typeof v === "object" ? JSON.stringify(v) : String(v));

function One({ a }) {
  const isOpen = a.state !== "resolved";
  return html`<${Card} wide title=${a.summary} actions=${html`<${Badge} is=${isOpen ? SEVERITY[a.severity] ?? "warn" : "good"}>${a.state}<//>`}>
    ${a.next && html`<p>${a.next}</p>`}
    <${Facts} rows=${Object.entries(a).filter(([k, v]) => v != null && v !== "" && !["summary", "next", "state"].includes(k)).map(([k, v]) => [k.replace(/_/g, " "), typeof v === "string" && /^\d{4}-\d\d-\d\dT/.test(v) ? html`<${Time} at=${v} />` : text(v)])} />
    <p class="row">${a.model && html`<a href=${href(["data"], { tab: "drift", model: a.model })}>what moved</a>`}
      ${isOpen && html`<${Move} to="/v1/alerts" body=${{ id: a.id, action: "ack" }} label="Acknowledge" question="Others see that somebody looks at it." done=${() => "acknowledged"} />
        <${Move} to="/v1/alerts" body=${{ id: a.id, action: "resolve" }} label="Resolve" question="It is over; should it come again, it is told again." done=${() => "resolved"} />`}</p><//>`;
}

export function AlertsPage({ place }) {
  const isAll = place.query.all === "true";
  const at = useValue(`/v1/alerts?all=${isAll || place.parts[1] ? "true" : "false"}`, 10000);
  return html`<h1>Alerts</h1><${Await} of=${at}>${({ alerts }) => {
    const one = place.parts[1] && alerts.find((a) => String(a.id) === place.parts[1]);
    if (place.parts[1]) return html`<p class="crumbs"><a href="#/alerts">All alerts</a></p>${one ? html`<${One} a=${one} />` : html`<${Empty}>There is no such alert.<//>`}`;
    return html`<${Card} wide title=${plural(alerts.length, "alert")} actions=${html`<label><input type="checkbox" checked=${isAll} onChange=${(e) => place.set({ all: e.target.checked ? "true" : null, from: null })} /> also resolved</label>`}>
      ${alerts.length === 0 ? html`<${Empty} command="tidemill monitor alerts --all">Nothing is open.<//>` : html`<${Paged} rows=${isAll ? alerts : byWeight(alerts)} place=${place}>${(part) => html`<ul class="list alerts">${part.map((a) => html`<li key=${a.id}><${Badge} is=${a.state === "resolved" ? "good" : SEVERITY[a.severity] ?? "warn"}>${a.severity ?? a.state}<//>
        <div><a href=${href(["alerts", a.id])}>${a.summary}</a><small>${a.model ?? ""} · ${a.state} · <${Time} at=${a.at ?? a.first ?? a.since} /></small></div></li>`)}</ul>`}<//>`}<p><${Command}>tidemill monitor alerts<//></p><//>`;
  }}<//>`;
}
