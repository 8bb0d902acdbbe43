// A rate limit over time: the requests that it admitted and refused in each second, and what was left of it.
import { h, number, svg } from "./dom.js";

const SECONDS_SHOWN = 120;
const WIDTH = 480;
const HEIGHT = 64;
const WINDOWS = { 1: "second", 60: "minute", 3600: "hour", 86400: "day" };

/** One budget: its figures and its chart, as they are at a moment of the sandbox's clock. */
export function budgetCard(budget, now) {
  const { requests, seconds, used, left, refused, reset } = budget;
  const window = WINDOWS[seconds] ?? `${number(seconds)} seconds`;
  const name = nameOf(budget);
  return h("figure", { class: `budget ${left === 0 ? "full" : ""}` },
    h("figcaption", {}, h("strong", {}, name), h("span", { class: "quiet" }, ` ${number(requests)} every ${window}, resets ${new Date(reset * 1000).toISOString().slice(11, 19)} UTC`)),
    chart(budget, name, now),
    h("p", { class: "legend" },
      h("span", { class: "is-used" }, `${number(used)} used`),
      h("span", { class: "is-left" }, `${number(left)} left`),
      h("span", { class: "is-refused" }, `${number(refused)} refused`)));
}

// The key of a broadcast's budget holds the ids that make its audience.
function nameOf({ limit, key }) {
  if (!key) return limit;
  const parts = JSON.parse(key).filter((part) => part !== null);
  return `${limit} ${parts.map((part) => (typeof part === "string" ? part : JSON.stringify(part))).join(", ")}`;
}

function chart({ requests, seconds, history }, name, now) {
  const last = Math.floor(now);
  const bySecond = new Map(history.map(([second, ...counts]) => [second, counts]));
  const most = Math.max(1, ...history.map(([, admitted, refused]) => admitted + refused));
  const step = WIDTH / SECONDS_SHOWN;
  const bars = [];
  const line = [];
  let left = requests;
  for (let second = last - SECONDS_SHOWN + 1; second <= last; second += 1) {
    const x = (second - last + SECONDS_SHOWN - 1) * step;
    // What is left is full again with each window. What happened before the chart begins is not drawn.
    if (second % seconds < 1) left = requests;
    const [admitted = 0, refused = 0, after = left] = bySecond.get(second) ?? [];
    left = after;
    const used = (admitted / most) * HEIGHT;
    const lost = (refused / most) * HEIGHT;
    if (used) bars.push(svg("rect", { class: "bar-used", x, y: HEIGHT - used, width: step * 0.8, height: used }));
    if (lost) bars.push(svg("rect", { class: "bar-refused", x, y: HEIGHT - used - lost, width: step * 0.8, height: lost }));
    const y = (1 - left / requests) * (HEIGHT - 2) + 1;
    line.push(`${x},${y}`, `${x + step},${y}`);
  }
  const admitted = history.reduce((sum, [, count]) => sum + count, 0);
  const refused = history.reduce((sum, [, , count]) => sum + count, 0);
  return h("div", { class: "plot" },
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${name}, the last two minutes: ${number(admitted)} requests admitted, ${number(refused)} refused, ${number(left)} left now` },
      bars, svg("polyline", { class: "line-left", points: line.join(" "), "vector-effect": "non-scaling-stroke" })),
    h("p", { class: "quiet", "aria-hidden": "true" }, h("span", {}, "2 minutes ago"), h("span", {}, `busiest second: ${number(history.length ? most : 0)}`), h("span", {}, "now")));
}
