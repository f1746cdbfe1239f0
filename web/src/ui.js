// SPDX-License-Identifier: Apache-2.0
// The parts that pages are made of.
import { useEffect, useRef, useState } from "preact/hooks";
import { now, post, renew, session, useSignal } from "./api.js";
import { html } from "./html.js";
import { ago, figure, isNumber, moment, NONE } from "./words.js";

// ---- Signs: never a colour alone ----

const SIGNS = {
  good: html`<path d="M2 6.5l2.700 2.700L10 3.500" />`,
  warn: html`<path d="M6 1.500L11 10.500H1zM6 5v2.500M6 9v.01" />`,
  bad: html`<path d="M3 3l6 6M9 3l-6 6" />`,
  idle: html`<path d="M2.500 6h7" />`,
};

export const Sign = ({ is }) => html`<svg class="sign ${is}" viewBox="0 0 12 12" aria-hidden="true">${SIGNS[is]}</svg>`;
export const Badge = ({ is = "idle", children }) => html`<span class="badge ${is}"><${Sign} is=${is} />${children}</span>`;
export const Tag = ({ children, strong }) => html`<span class=${strong ? "tag strong" : "tag"}>${children}</span>`;
export const Time = ({ at }) => (at ? html`<time datetime=${at} title=${moment(at)}>${ago(at, now())}</time>` : NONE);

/** A text that is typed: pages are drawn anew every few seconds, and what stands in it stays until `value` is another. */
export function Field({ value = "", ...rest }) {
  const [typed, type] = useState(value);
  useEffect(() => type(value), [value]);
  return html`<input ...${rest} value=${typed} onInput=${(e) => type(e.target.value)} />`;
}
export const Hash = ({ of }) => html`<code class="hash" title=${of}>${of.slice(0, 12)}</code>`;

// ---- Blocks ----

export function Card({ title, note, actions, children, wide, id }) {
  return html`<section class=${wide ? "card wide" : "card"} aria-labelledby=${id && id + "-title"} id=${id}>
    ${(title || actions) && html`<header>${title && html`<h2 id=${id && id + "-title"}>${title}</h2>`}${note && html`<p class="note">${note}</p>`}<div class="actions">${actions}</div></header>`}
    ${children}
  </section>`;
}

/** A command that says or does the same, to take along. */
export function Command({ children }) {
  const [isCopied, set] = useState(false);
  const text = [children].flat().join("");
  const copy = () => navigator.clipboard?.writeText(text).then(() => {
    set(true);
    setTimeout(() => set(false), 1500);
  });
  return html`<span class="command"><code tabindex="0">${text}</code><button type="button" class="quiet" onClick=${copy}>${isCopied ? "copied" : "copy"}</button></span>`;
}

export const Empty = ({ children, command }) => html`<div class="empty"><p>${children}</p>${command && html`<${Command}>${command}<//>`}</div>`;

export function Failure({ error }) {
  if (!error) return null;
  return html`<div class="failure" role="alert"><${Badge} is="bad">${error.message}<//>${error.hint && html`<p>${error.hint}</p>`}</div>`;
}

/** What stands where a value is awaited, refused or empty; else what draws it. */
export function Await({ of, children }) {
  if (of.value !== undefined) return children(of.value);
  return of.error ? html`<${Failure} error=${of.error} />` : html`<p class="loading">loading…</p>`;
}

export const Facts = ({ rows }) => html`<dl class="facts">${rows.filter(Boolean).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** columns: [{title, cell(row), isNumber, isMain}] */
export function Table({ label, columns, rows, keyOf, onRow }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}><table>
    <thead><tr>${columns.map((c) => (c.title ? html`<th scope="col" class=${c.isNumber ? "number" : ""}>${c.title}</th>` : html`<td></td>`))}</tr></thead>
    <tbody>${rows.map((row, i) => html`<tr key=${keyOf ? keyOf(row) : i} class=${onRow?.(row) ?? ""}>${columns.map((c) =>
      c.isMain ? html`<th scope="row">${c.cell(row)}</th>` : html`<td class=${c.isNumber ? "number" : ""}>${c.cell(row)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

export function Tabs({ label, tabs, at }) {
  return html`<nav class="tabs" aria-label=${label}>${tabs.map(([name, title, to]) => html`<a href=${to} aria-current=${name === at ? "page" : undefined}>${title}</a>`)}</nav>`;
}

// ---- Small pictures ----

/** A figure with the interval that holds it, on a line from `from` to `to`; zero: 0 is marked. */
export function Interval({ value, low, high, from, to, label, zero }) {
  if (!isNumber(value)) return html`<span class="unknown">${NONE}</span>`;
  const hasRange = isNumber(low) && isNumber(high);
  const x = (v) => 2 + 96 * Math.min(1, Math.max(0, (v - from) / (to - from || 1)));
  return html`<svg class="interval" viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label=${`${label ?? ""} ${figure(value)}${hasRange ? `, from ${figure(low)} to ${figure(high)}` : ""}`}>
    <path class="axis" d=${`M0 6H100${zero ? `M${x(0)} 0V12` : ""}`} />${hasRange && html`<path class="range" d=${`M${x(low)} 6H${x(high)}`} />`}<path class="point" d=${`M${x(value)} 2V10`} />
  </svg>`;
}

/** Shares of a whole, side by side. */
export function Shares({ parts, label }) {
  return html`<div class="shares" role="img" aria-label=${`${label}: ${parts.map((p) => `${p.name} ${p.percent} %`).join(", ")}`}>
    ${parts.map((p, i) => html`<span class=${"part s" + (i % 4)} style=${{ flexGrow: Math.max(p.percent, 0.5) }}><b>${p.name}</b> ${figure(p.percent)}\u202f%</span>`)}
  </div>`;
}

/** A bar for a share of 1 in a table. */
export const Bar = ({ share, isOver }) => html`<span class=${isOver ? "bar over" : "bar"} aria-hidden="true"><span style=${{ width: `${Math.min(100, Math.max(0, 100 * share))}%` }}></span></span>`;

// ---- What may be done ----

export function useCan(permission) {
  return useSignal(session)?.can?.includes(permission) ?? false;
}

/** A button that asks once more before it moves what serves, and says what came of it and how long it took. */
export function Move({ to, body, label, question, done, permission = "promote" }) {
  const can = useCan(permission);
  const [state, set] = useState("idle");
  const [reason, setReason] = useState("");
  const [said, say] = useState(null);
  const dialog = useRef();
  useEffect(() => {
    if (state === "asking") dialog.current?.showModal();
    else dialog.current?.close();
  }, [state]);
  if (!can) return null;
  const go = async (event) => {
    event.preventDefault();
    set("moving");
    const start = performance.now();
    try {
      const answer = await post(to, { ...body, ...(reason ? { reason } : {}) });
      say({ is: "good", text: `${done(answer)} in ${Math.max(1, Math.round(performance.now() - start))} ms` });
      set("idle");
      setReason("");
      renew();
    } catch (error) {
      say({ is: "bad", text: error.message, hint: error.hint });
      set("idle");
    }
  };
  return html`<span class="move">
    <button type="button" disabled=${state === "moving"} onClick=${() => { say(null); set("asking"); }}>${label}</button>
    <span role="status">${said && html`<${Badge} is=${said.is}>${said.text}${said.hint ? " " + said.hint : ""}<//>`}</span>
    ${state === "asking" && html`<dialog ref=${dialog} onClose=${() => state === "asking" && set("idle")} aria-label=${label}>
      <form onSubmit=${go}><p>${question}</p>
        <label>Reason, for the record <input type="text" maxlength="500" value=${reason} onInput=${(e) => setReason(e.target.value)} autofocus /></label>
        <div class="actions"><button type="button" class="quiet" onClick=${() => set("idle")}>Cancel</button><button type="submit" class="primary">${label}</button></div>
      </form>
    </dialog>`}
  </span>`;
}
