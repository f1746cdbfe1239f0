// SPDX-License-Identifier: Apache-2.0
// Long lists: a part of them at once, found and cut by the server where it can be long.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { count } from "./words.js";

export const PAGE = 50; // rows of a list at once
const TYPED_MS = 200; // without a key: then it is looked for

const fromOf = (place) => Math.max(0, Number(place.query.from) || 0);

/** What a server that pages is asked for: {from, count}. */
export const pageOf = (place) => ({ from: fromOf(place) + 1, count: PAGE });

/** What it will be asked for when who looks goes on; null at the end of `total` rows. */
export const nextOf = (place, total) => (fromOf(place) + PAGE < (total ?? 0) ? { from: fromOf(place) + PAGE + 1, count: PAGE } : null);

/** The text of a query; what is null, false or "" is left out. */
export const asked = (query) => new URLSearchParams(Object.entries(query).filter(([, v]) => v != null && v !== "" && v !== false)).toString();

/** Links to what is before and behind the n rows that are shown. */
export function Pager({ place, n, total }) {
  const from = fromOf(place);
  return total > PAGE && html`<p class="pager">
    ${from > 0 && html`<button type="button" class="quiet" onClick=${() => place.set({ from: Math.max(0, from - PAGE) || null })}>before</button>`}
    <span>${count(from + 1)} to ${count(from + n)} of ${count(total)}</span>
    ${from + PAGE < total && html`<button type="button" class="quiet" onClick=${() => place.set({ from: from + PAGE })}>next</button>`}</p>`;
}

/** A short list that is all here, part by part. */
export function Paged({ rows, place, children }) {
  const from = fromOf(place);
  const part = rows.slice(from, from + PAGE);
  return html`${children(part)}<${Pager} place=${place} n=${part.length} total=${rows.length} />`;
}

/** A text to look for, in the address once nobody types. */
export function Find({ place, label, name = "find" }) {
  const [typed, type] = useState(place.query[name] ?? "");
  const timer = useRef();
  useEffect(() => () => clearTimeout(timer.current), []);
  const onInput = (e) => {
    const text = e.target.value;
    type(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => place.set({ [name]: text.trim(), from: null }), TYPED_MS);
  };
  return html`<label class="find">${label} <input type="search" value=${typed} maxlength="120" spellcheck="false" onInput=${onInput} /></label>`;
}
