// SPDX-License-Identifier: Apache-2.0
// Where in the page one is stands in the address, behind '#': every state can be linked to, and the server needs no paths for it.
import { useEffect, useState } from "preact/hooks";

function parse() {
  const [at, search] = location.hash.replace(/^#/, "").split("?");
  const parts = at.split("/").filter(Boolean).map((p) => {
    try {
      return decodeURIComponent(p);
    } catch {
      return p;
    }
  });
  return { parts, query: Object.fromEntries(new URLSearchParams(search || "")) };
}

/** The address of a place: href(["models", name], {a: 1}). What is null or "" in the query is left out. */
export function href(parts, query = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, v]) => v != null && v !== ""));
  const text = search.toString();
  return "#/" + parts.map(encodeURIComponent).join("/") + (text ? "?" + text : "");
}

/** {parts, query, set(query)}: set changes the query here without a new entry in the browser's history. */
export function usePlace() {
  const [place, go] = useState(parse);
  useEffect(() => {
    const onMove = () => go(parse());
    addEventListener("hashchange", onMove);
    onMove(); // the address may have changed since the first look at it
    return () => removeEventListener("hashchange", onMove);
  }, []);
  return {
    ...place,
    set(query) {
      history.replaceState(null, "", href(place.parts, { ...place.query, ...query }));
      go(parse());
    },
  };
}
