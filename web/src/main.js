// SPDX-License-Identifier: Apache-2.0
// The frame: who looks, where, and whether the server is there.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, link, session, useSignal, watchLink } from "./api.js";
import { html } from "./html.js";
import { follow } from "./live.js";
import { Admin } from "./admin.js";
import { AlertsPage } from "./alerts.js";
import { Data } from "./data.js";
import { Home } from "./home.js";
import { Login, lookWho, signOut } from "./login.js";
import { Live } from "./livepage.js";
import { Models } from "./models.js";
import { usePlace } from "./route.js";
import { Routes } from "./routes.js";
import { Training } from "./training.js";
import { Badge } from "./ui.js";

const PAGES = [["", "Home", Home], ["live", "Live", Live], ["routes", "Routes", Routes], ["models", "Models", Models], ["training", "Training", Training], ["data", "Data", Data], ["alerts", "Alerts", AlertsPage], ["admin", "Admin", Admin]];

const THEMES = ["auto", "light", "dark"];
function Theme() {
  const [theme, set] = useState(localStorage.getItem("theme") || "auto");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
    dispatchEvent(new Event("theme"));
  }, [theme]);
  return html`<label class="theme">Theme <select value=${theme} onChange=${(e) => set(e.target.value)}>${THEMES.map((t) => html`<option value=${t}>${t}</option>`)}</select></label>`;
}

function Gone() {
  const { isThere, since } = useSignal(link);
  const wasAway = useRef(false);
  if (!isThere) wasAway.current = true;
  if (isThere && !wasAway.current) return html`<div role="status" class="sr"></div>`;
  return html`<div role="status" class=${isThere ? "sr" : "gone"}>${isThere
    ? "The server answers again."
    : html`<${Badge} is="bad">The server does not answer<//> <span>since ${new Date(since).toISOString().slice(11, 19)} UTC. What is shown is of before; the page goes on by itself when it is back.</span>`}</div>`;
}

function Frame() {
  const place = usePlace();
  const who = useSignal(session);
  const main = useRef();
  const isFirst = useRef(true);
  const at = place.parts[0] ?? "";
  const page = PAGES.find(([name]) => name === at);
  useEffect(() => {
    document.title = `${place.parts[1] ? place.parts[1] + " · " : ""}${page?.[1] ?? "Not found"} · Tidemill`;
    if (!isFirst.current) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [place.parts.join("/")]);
  return html`
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); main.current.focus(); }}>Skip to content</a>
    <header class="top">
      <a class="brand" href="#/"><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M3 22c4-4 8.500-4 13 0s9 4 13 0" /><circle cx="16" cy="12" r="6.500" /><path d="M16 5.500v13M9.500 12h13" /></svg>Tidemill</a>
      <nav class="pages" aria-label="Pages">${PAGES.map(([name, title]) => html`<a href=${"#/" + name} aria-current=${name === at ? "page" : undefined}>${title}</a>`)}</nav>
      <div class="end">${who?.role && html`<span title=${`key ${who.key}`}>${who.role}</span><button type="button" class="quiet" onClick=${signOut}>Sign out</button>`}<${Theme} /></div>
    </header>
    <${Gone} />
    <main id="main" ref=${main} tabindex="-1">${who === null ? html`<p class="loading">loading…</p>` : who.needs_login ? html`<${Login} />` : page ? html`<${page[2]} place=${place} who=${who} />` : html`<h1>There is no such page</h1><p><a href="#/">Home</a></p>`}</main>`;
}

async function begin() {
  watchLink();
  render(html`<${Frame} />`, document.getElementById("app"));
  for (let isKnown = false; !isKnown;) {
    try {
      await lookWho();
      isKnown = true;
    } catch {
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
  if (!session.get().needs_login) follow();
}

begin();
