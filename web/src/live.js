// SPDX-License-Identifier: Apache-2.0
// What the server tells by itself: how it fares, every two seconds, as server-sent events; and the last minutes of that, for small charts.
import { link, renew, signal } from "./api.js";

const KEPT = 300; // moments

/** The newest {server, routes, ...}; null until the first. */
export const serving = signal(null);
/** Trainings that run now, as their files say (docs/formats/home.md), the newest first. */
export const trainings = signal([]);
/** [{at: seconds, routes: {name: {answers, p99, ...}}}], the oldest first. */
export const trail = signal([]);

function keep(now) {
  const at = now.server.at_us / 1e6;
  const old = trail.get();
  const before = old[old.length - 1];
  if (before && before.at >= at) return;
  const routes = {};
  for (const r of now.routes) {
    const last = before?.routes[r.route];
    const seconds = before ? at - before.at : 0;
    routes[r.route] = { answered: r.answered, perSecond: last && r.answered >= last.answered && seconds < 30 ? (r.answered - last.answered) / seconds : null, p50: r.p50_seconds, p99: r.p99_seconds };
  }
  trail.set([...old.slice(-KEPT + 1), { at, routes }]);
}

/** A number that changes when something was moved: then what is shown is asked for anew. */
let moved = null;
function take(text) {
  const now = JSON.parse(text);
  keep(now);
  serving.set(now);
  const state = now.routes.map((r) => `${r.route} ${r.version} ${r.is_loaded} ${r.is_stale}`).join("\n");
  if (moved !== null && moved !== state) renew();
  moved = state;
}

/** When one ended, what it made is asked for. */
function takeTrainings(text) {
  const now = JSON.parse(text);
  const before = trainings.get();
  if (now.length > 0 || before.length > 0) trainings.set(now);
  if (before.some((t) => !now.some((n) => n.id === t.id))) renew();
}

let source = null;
let isFollowing = false; // somebody is signed in, or need not be

function close() {
  source?.close();
  source = null;
}

function open() {
  if (source || !isFollowing || document.hidden) return;
  source = new EventSource("/v1/events");
  source.addEventListener("serving", (e) => take(e.data));
  source.addEventListener("training", (e) => takeTrainings(e.data));
  source.onerror = () => {
    // A stream that ends is opened again by the browser; one that is refused is not.
    if (source?.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(open, 5000);
    }
  };
}

// A page that nobody sees asks for nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    close();
  } else if (isFollowing) {
    open();
    if (link.get().isThere) renew();
  }
});

export function follow() {
  isFollowing = true;
  open();
}

export function unfollow() {
  isFollowing = false;
  close();
}
