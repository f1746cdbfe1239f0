// SPDX-License-Identifier: Apache-2.0
// Charts over time by uPlot: a legend that is read aloud, a table for who does not see the picture, CSV, and the command that prints the same.
import uPlot from "uplot";
import { useEffect, useRef } from "preact/hooks";
import { html } from "./html.js";
import { Command } from "./ui.js";
import { figure, isNumber, moment } from "./words.js";

const HEIGHT = 190;
const N_COLOURS = 4;
const DECADES_MOST = 1e8; // of a scale by size, above its least value: what is beyond leaves the picture
const ROOM_S = 1800; // on either side of a moment that stands alone
// From which step of the axis on, what stands at a tick, and below it where a year or a day begins.
const BELOW = ["\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1];
const TIMES = [[86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1], [60, "{HH}:{mm}", ...BELOW], [1, "{HH}:{mm}:{ss}", ...BELOW]];

// Of a scale by size only powers of ten, and of many every second or third.
const POWERS = { filter: (u, splits) => {
  const powers = splits.filter((v) => Number.isInteger(Math.round(1e9 * Math.log10(v)) / 1e9));
  const step = Math.ceil(powers.length / 5);
  return splits.map((v) => (powers.indexOf(v) % step === 0 ? v : null));
} };
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
function power(v) {
  if (v == null) return "";
  const p = Math.round(Math.log10(v));
  return p >= 0 && p < 4 ? String(10 ** p) : "10" + String(p).replace("-", "⁻").replace(/\d/g, (d) => SUPERSCRIPTS[d]);
}

function colours(element) {
  const of = getComputedStyle(element);
  const take = (name) => of.getPropertyValue(name).trim();
  return { ink: take("--ink-2"), line: take("--line"), series: Array.from({ length: N_COLOURS }, (_, i) => take(`--series-${i}`)), mark: take("--mark") };
}

/** Lines at moments, with words beside them: deploys. marks: [{at: seconds, text}]. */
function markPlugin(marks, paint) {
  return {
    hooks: {
      draw: (u) => {
        const { ctx, bbox } = u;
        const scale = devicePixelRatio || 1;
        ctx.save();
        ctx.strokeStyle = ctx.fillStyle = paint.mark;
        ctx.lineWidth = scale;
        ctx.setLineDash([3 * scale, 3 * scale]);
        ctx.font = `${11 * scale}px system-ui, sans-serif`;
        for (const mark of marks) {
          const x = u.valToPos(mark.at, "x", true);
          if (x < bbox.left || x > bbox.left + bbox.width) continue;
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          ctx.textAlign = x > bbox.left + bbox.width - 60 * scale ? "right" : "left";
          ctx.fillText(mark.text, x + (ctx.textAlign === "left" ? 4 : -4) * scale, bbox.top + 11 * scale);
        }
        ctx.restore();
      },
    },
  };
}

/** The least and the largest value from a place on. */
function reach(series, from) {
  const values = series.flatMap((s) => s.values.slice(from)).filter(isNumber);
  return values.length ? [Math.min(...values), Math.max(...values)] : [null, null];
}

function options(element, series, marks, unit, width, isLog, along, fitFrom) {
  const paint = colours(element);
  const axis = { stroke: paint.ink, grid: { stroke: paint.line, width: 1 }, ticks: { stroke: paint.line, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
  const dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
  return {
    width, height: HEIGHT, legend: { show: false }, cursor: { points: { size: 6 }, drag: { x: true, y: false } },
    tzDate: (s) => uPlot.tzDate(new Date(s * 1e3), "Etc/UTC"),
    scales: { x: { time: !along, range: (u, from, to) => {
      const only = u.data[0].length === 1 ? u.data[0][0] : null; // of one moment uPlot would show years
      return only == null ? [from, to] : [only - (along ? 1 : ROOM_S), only + (along ? 1 : ROOM_S)];
    } }, y: isLog ? { distr: 3, range: (u, low, high) => [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(Math.min(high, low * DECADES_MOST)))] } : { range: (u, least, most) => {
      const [low, high] = fitFrom ? reach(series, fitFrom) : [least, most];
      if (low == null) return [0, 1];
      const room = (high - low || Math.abs(high) || 1) * 0.12;
      return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
    } } },
    axes: [{ ...axis, space: 70, values: along ? (u, values) => values.map((v) => figure(v)) : TIMES }, isLog ? { ...axis, ...POWERS, grid: { ...axis.grid, ...POWERS }, ticks: { ...axis.ticks, ...POWERS }, size: 56, values: (u, values) => values.map(power) } : { ...axis, size: 56, values: (u, values) => values.map((v) => figure(v) + unit) }],
    series: [{}, ...series.map((s, i) => s.isBand
      ? { label: s.name, stroke: "transparent", width: 0, points: { show: false } }
      : { label: s.name, stroke: paint.series[s.colour ?? i % N_COLOURS], width: 2, dash: dashes[(s.colour ?? i) % 4], spanGaps: true, points: { show: (u) => u.data[0].length < 60, size: 5 } })],
    bands: series.flatMap((s, i) => (s.isBand && series[i + 1]?.isBand ? [{ series: [i + 2, i + 1], fill: paint.series[s.colour ?? 0] + "26" }] : [])),
    plugins: [markPlugin(marks, paint)],
  };
}

/** Rows of cells as CSV (RFC 4180); what is null is empty. */
export function csv(rows) {
  const cell = (x) => (/[",\r\n]/.test(x ?? "") ? `"${String(x).replace(/"/g, '""')}"` : x ?? "");
  return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

function figures(times, series, along) {
  return csv([[along || "time", ...series.map((s) => s.name)], ...times.map((t, i) => [along ? t : new Date(t * 1000).toISOString(), ...series.map((s) => s.values[i])])]);
}

export function download(name, text, type = "text/csv") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/**
 * times: seconds since 1970, rising. series: [{name, values, isBand, isHidden, colour}]; two bands that follow each other are the lower and the upper edge of one; what is hidden is of the CSV alone.
 * along: what stands in place of times, such as "round". marks: [{at, text}]. file: the name of the download. command: what prints the same. isLog: values over 0, by their size.
 * fitFrom: the scale shows all from this point on; what came before may leave the picture.
 */
export function Chart({ title, times, series: all, marks = [], unit = "", file, command, isLog = false, along = "", fitFrom = 0 }) {
  const series = all.filter((s) => !s.isHidden);
  const place = useRef(), plot = useRef();
  const shape = series.map((s) => s.name).join("\n") + marks.map((m) => m.at + m.text).join();
  useEffect(() => {
    const element = place.current;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, series, marks, unit, element.clientWidth || 300, isLog, along, fitFrom), [times, ...series.map((s) => s.values)], element);
    };
    draw();
    const resize = new ResizeObserver(() => element.clientWidth > 0 && plot.current.setSize({ width: element.clientWidth, height: HEIGHT }));
    resize.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    addEventListener("theme", draw);
    return () => {
      resize.disconnect();
      scheme.removeEventListener("change", draw);
      removeEventListener("theme", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, fitFrom]);
  useEffect(() => plot.current?.setData([times, ...series.map((s) => s.values)]), [times, ...series.map((s) => s.values)]);
  const shown = series.filter((s) => !s.isBand);
  const last = (s) => [...s.values].reverse().find((v) => v != null);
  return html`<figure class="chart">
    <figcaption><span class="title">${title}</span>
      <span class="legend">${shown.map((s) => html`<span class=${"key s" + (s.colour ?? series.indexOf(s) % N_COLOURS)}>${s.name} <b>${figure(last(s))}${unit}</b></span>`)}</span>
    </figcaption>
    <div ref=${place} class="plot" role="img" aria-label=${`${title}: ${shown.map((s) => `${s.name} last ${figure(last(s))}${unit}`).join(", ")}; ${times.length} points${times.length ? (along ? ` until ${along} ${figure(times[times.length - 1])}` : " until " + moment(times[times.length - 1] * 1000)) : ""}`}></div>
    <footer><button type="button" class="quiet" onClick=${() => download(file + ".csv", figures(times, all, along))}>CSV</button>${command && html`<${Command}>${command}<//>`}</footer>
  </figure>`;
}
