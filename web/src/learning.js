// SPDX-License-Identifier: Apache-2.0
// Trainings as they run: how far, the leaderboard so far, and the curves of the search and of the fit.
import { useSignal } from "./api.js";
import { Chart } from "./chart.js";
import { html } from "./html.js";
import { trainings } from "./live.js";
import { Badge, Card, Command, Facts } from "./ui.js";
import { Leaderboard } from "./version.js";
import { count, figure, isNumber, NONE, percent, span } from "./words.js";

const SILENT_S = 30; // without a word
const STAGES = {
  "": "begins", load: "reads rows", read: "reads rows", "check query": "checks the query", windows: "computes windows", select: "chooses columns", crosses: "looks for columns of several others", search: "searches", "full fit": "fits the best on all rows",
  refit: "fits the final model", predict: "answers test rows", test: "scores test rows", draw: "draws test rows again", shuffle: "measures what columns are worth",
};

/** "3 of 12", "3", or nothing. */
const ofAll = (done, total) => (total > 0 ? `${count(done)} of ${count(total)}` : done > 0 ? count(done) : "");

/** Two curves on the same axis: times are of both, values null where one has none. */
function joined(a, b) {
  const at = [...new Set([...a.at, ...b.at])].sort((x, y) => x - y);
  const on = (c) => at.map((x) => c.score[c.at.indexOf(x)] ?? null);
  return { at, a: on(a), b: on(b) };
}

function Rounds({ t }) {
  const { at, a, b } = joined(t.best_rounds, t.rounds);
  if (at.length < 2) return null;
  const series = [{ name: "best trial so far", values: a }, { name: `now${t.fitting ? ": " + t.fitting : ""}`, values: b }].filter((s) => s.values.some(isNumber));
  return html`<${Chart} title="Loss on rows that are not learned from, by round" along="round" times=${at} series=${series} file=${`${t.model}-rounds`} command="tidemill status --json" />`;
}

function One({ t, place }) {
  const isSilent = t.age_seconds > SILENT_S;
  const best = t.trials[0];
  const has = t.best.at.length > 1;
  return html`<${Card} wide title=${`Learning now: ${t.model || t.target}`} note=${t.because === "train" ? "by hand" : t.because} actions=${html`<${Badge} is=${isSilent ? "warn" : "good"}>${isSilent ? `no word for ${span(Math.round(t.age_seconds))}` : STAGES[t.stage] ?? t.stage}<//><${Command}>tidemill status<//>`}>
    <${Facts} rows=${[["for", span(t.seconds)], ["step", `${STAGES[t.stage] ?? t.stage} ${ofAll(t.done, t.total)}`.trim()], t.fit_done > 0 && ["rounds of this fit", ofAll(t.fit_done, t.fit_total)], ["trials", count(t.n_trials)], isNumber(t.budget_used) && ["of its budget", percent(Math.min(1, t.budget_used), 0)],
      [`best ${t.metric || "score"}`, best ? html`<b>${figure(best.score, 5)}</b> ${best.learner}` : NONE]]} />
    ${(has || t.rounds.at.length > 1 || t.best_rounds.at.length > 1) && html`<div class="columns spaced">${has && html`<${Chart} title=${`Best ${t.metric} of the search, ${t.smaller_is_better ? "less" : "more"} is better; by seconds`} along="seconds" times=${t.best.at} series=${[{ name: t.metric, values: t.best.score }]} file=${`${t.model}-search`} command="tidemill status --json" />`}<${Rounds} t=${t} /></div>`}
    ${t.trials.length > 0 && html`<h3>The best of ${count(t.n_trials)} trials</h3><${Leaderboard} rows=${t.trials} metric=${t.metric} label=${`Leaderboard so far of training ${place}`} />`}<//>`;
}

/** Of one model, or of all; nothing when none runs. */
export function Learning({ model }) {
  const all = useSignal(trainings).filter((t) => !model || t.model === model);
  return html`<div role="status" class="sr">${all.map((t) => `${t.model} ${STAGES[t.stage] ?? t.stage}`).join("; ")}</div>${all.map((t, i) => html`<${One} t=${t} place=${i + 1} key=${t.id} />`)}`;
}
