// How recipients, states and times look, the same in the list and on the page of one delivery.
import { when } from "./airflow.js";
import { h, number, plural } from "./dom.js";

export const STATES = { in_doubt: "In doubt", running: "Running", open: "Not finished", finished: "Finished" };

export const BATCH_STATES = {
  sent: "Sent", rejected: "Rejected", in_doubt: "In doubt", under_way: "Under way", failed: "Not sent",
};

export const badge = (state, labels = STATES) => h("span", { class: `badge ${state}` }, labels[state]);

/** Each share of the recipients, with its class and its words. Those under way are among those left. */
function shares(one) {
  const { sent, rejected, in_doubt, left } = one.recipients;
  return [
    ["sent", sent, "sent"], ["rejected", rejected, "rejected"],
    ["in_doubt", in_doubt, "in doubt"], ["left", left ?? 0, "left"],
  ];
}

const isBroadcast = (one) => one.recipients.total === null && shares(one).every(([, count]) => count === 0);

/** A bar with a share for each state, and the figures below it. */
export function bar(one) {
  if (isBroadcast(one)) return h("p", { class: "quiet" }, one.state === "finished" || one.batches.sent ? "A broadcast, sent" : "Nothing sent yet");
  const parts = shares(one);
  const pieces = parts.filter(([, count]) => count > 0).map(([name, count]) => {
    const piece = h("span", { class: name });
    piece.style.flexGrow = count;
    return piece;
  });
  const told = parts.filter(([name, count]) => count > 0 || name === "sent");
  return h("div", { class: "figures" },
    h("div", { class: "bar", "aria-hidden": "true" }, pieces),
    h("p", { class: "legend" }, told.map(([name, count, words]) => h("span", { class: name }, `${number(count)} ${words}`))));
}

/** How fast a running delivery is, and when it will be done. */
export function speed(one) {
  if (one.state !== "running") return null;
  if (one.rate === null) return h("span", { class: "quiet" }, "no figures yet");
  return [
    h("span", {}, one.rate >= 1 ? `${number(Math.round(one.rate))} / s` : `${number(Math.round(one.rate * 60))} / min`),
    one.seconds_left !== null && h("span", { class: "quiet" }, `${lasting(one.seconds_left)} to go`),
  ];
}

function lasting(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return `${number(hours)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export const time = (iso) => h("time", { datetime: iso }, when(iso));

/** What a delivery is called: the task, with its map index. */
export const nameOf = (one) => (one.map_index < 0 ? one.task_id : `${one.task_id} [${one.map_index}]`);

export const countOf = (count) => plural(count, "recipient");
