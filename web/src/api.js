// SPDX-License-Identifier: Apache-2.0
// What the server says: requests, values that renew themselves, and whether it is there at all.
import { useEffect, useRef, useState } from "preact/hooks";

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server says ${status}`);
    this.status = status;
    this.hint = problem.hint || "";
  }
}

/** A value that others look at: set() tells them. */
export function signal(value) {
  const lookers = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const look of [...lookers]) look(value);
    },
    look(fn) {
      lookers.add(fn);
      return () => lookers.delete(fn);
    },
  };
}

export function useSignal(s) {
  const [value, set] = useState(s.get());
  useEffect(() => {
    set(s.get());
    return s.look((v) => set(v));
  }, [s]);
  return value;
}

/** {isThere, since: when it last was, ms}. */
export const link = signal({ isThere: true, since: 0 });
/** Who looks: {user, role, can, csrf, needs_login}; null until known. */
export const session = signal(null);
/** The server's clock less this one's, ms: what is ten seconds old there is so here. */
export let clockSkewMs = 0;
export const now = () => Date.now() + clockSkewMs;

function isBack() {
  if (!link.get().isThere) link.set({ isThere: true, since: Date.now() });
}

function isGone() {
  if (link.get().isThere) link.set({ isThere: false, since: Date.now() });
}

export async function call(method, path, body) {
  const headers = { Accept: "application/json" };
  const csrf = session.get()?.csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-Csrf-Token"] = csrf;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin", cache: "no-store" });
  } catch {
    isGone();
    throw new Refused(0, { detail: "the server does not answer" });
  }
  isBack();
  const date = Date.parse(answer.headers.get("Date") || "");
  if (date) clockSkewMs = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  const value = isJson ? await answer.json() : await answer.text();
  if (answer.ok || (!isJson && answer.status === 503)) return value;
  if (answer.status === 401 && session.get() && !session.get().needs_login) {
    session.set({ ...session.get(), needs_login: true, user: null, role: null, can: [], csrf: null });
  }
  throw new Refused(answer.status, isJson ? value : {});
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);

/** A path with its parts encoded: path`/v1/models/${name}`. */
export function path(texts, ...parts) {
  return texts.reduce((all, text, i) => all + encodeURIComponent(parts[i - 1]) + text);
}

const cache = new Map(); // values as last seen, so that a page that is come back to is there at once
const anew = new Set();

/** Ask again for everything that is looked at. */
export function renew() {
  for (const again of [...anew]) again();
}

const AHEAD_MS = 60; // after which a page is at rest

/** Ask for what will be looked at next, so that it is there at once. Path null: nothing. */
export function useAhead(at) {
  useEffect(() => {
    if (!at || cache.has(at)) return undefined;
    const timer = setTimeout(() => get(at).then((value) => cache.set(at, value), () => null), AHEAD_MS);
    return () => clearTimeout(timer);
  }, [at]);
}

/**
 * {value, error, again} of a path; asked again every `every` ms while the page is seen. Path null: nothing. keeps: of another path the
 * value before stays until the new one is there, so that a list is not taken away from under a hand.
 */
export function useValue(at, every = 0, keeps = false) {
  const [state, set] = useState({ at, value: cache.get(at), error: null });
  const latest = useRef(at);
  latest.current = at;
  const again = () => {
    const asked = latest.current;
    if (asked == null) return Promise.resolve();
    return get(asked).then(
      (value) => {
        if (cache.size > 200) cache.clear();
        cache.set(asked, value);
        if (latest.current === asked) set({ at: asked, value, error: null });
      },
      (error) => latest.current === asked && set((old) => ({ at: asked, value: old.at === asked ? old.value : undefined, error })),
    );
  };
  useEffect(() => {
    again();
    anew.add(again);
    const timer = every > 0 && setInterval(() => !document.hidden && link.get().isThere && again(), every);
    return () => {
      anew.delete(again);
      clearInterval(timer);
    };
  }, [at]);
  const current = state.at === at ? state : { value: cache.get(at) ?? (keeps ? state.value : undefined), error: null };
  return { value: current.value, error: current.error, again };
}

/** Values of several paths, in order; those refused are null. */
export function useValues(paths, every = 0) {
  const key = paths.join("\n");
  const [state, set] = useState({ key, values: null });
  useEffect(() => {
    let isOver = false;
    const ask = () => Promise.all(paths.map((p) => get(p).catch(() => null))).then((values) => isOver || set({ key, values }));
    ask();
    anew.add(ask);
    const timer = every > 0 && setInterval(() => !document.hidden && link.get().isThere && ask(), every);
    return () => {
      isOver = true;
      anew.delete(ask);
      clearInterval(timer);
    };
  }, [key]);
  return state.key === key ? state.values : null;
}

/** While the server is away: ask whether it is back, more and more seldom, then renew what is seen. */
export function watchLink() {
  let wait = 1000;
  const ask = () => fetch("/livez", { cache: "no-store" }).then((answer) => {
    if (!answer.ok) throw new Error();
    wait = 1000;
    isBack();
    renew();
  }).catch(() => {
    wait = Math.min(wait * 1.5, 10000);
    setTimeout(ask, wait);
  });
  link.look((l) => !l.isThere && setTimeout(ask, wait));
}
