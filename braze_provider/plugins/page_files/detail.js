// One delivery: what became of its recipients, why, and what a person has to decide.
import { airflowPage, openOutside, taskPage } from "./airflow.js";
import { askAirflow, call, routeOf } from "./api.js";
import { h, keepLooking, number, part, plural, table } from "./dom.js";
import { BATCH_STATES, badge, bar, nameOf, speed, time } from "./figures.js";
import { showDecision } from "./decision.js";

const LINKS = { campaign_id: "Campaign", canvas_id: "Canvas", segment_id: "Segment" };
const DECISIONS = { sent: "Taken for sent", resend: "To be sent again" };

const outside = (href, label, target) =>
  h("a", { href, target, rel: target && "noopener noreferrer", onclick: openOutside, "data-key": label }, label);

const facts = (entries) => h("dl", { class: "facts" },
  entries.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

function head(one) {
  return [
    h("div", { class: "title" }, h("h1", {}, nameOf(one)), badge(one.state)),
    h("p", { class: "quiet" }, `${one.dag_id} › ${one.run_id}`),
  ];
}

function figures(one) {
  const going = speed(one);
  return [
    h("h2", {}, "Recipients"),
    bar(one),
    going && h("p", { class: "speed wide" }, going),
  ];
}

function about(one, links) {
  const tried = one.try_number === null ? null : `${number(one.try_number)}${one.task_state ? ` (${one.task_state})` : ""}`;
  const target = Object.entries(one.target).map(([name, id]) => [LINKS[name] ?? name, h("code", {}, id)]);
  return [
    h("h2", {}, "About it"),
    facts([
      ["Task instance", outside(taskPage(one), "Log and details")],
      ["Dag run", outside(airflowPage("dags", one.dag_id, "runs", one.run_id), one.run_id)],
      ["Begun", time(one.begun_at)],
      ["Last written", time(one.written_at)],
      ["Try", tried],
      ["Started over", one.started_over ? plural(one.started_over, "time") : null],
      ["Sends with", one.endpoint && h("code", {}, one.endpoint)],
      ...target,
      ["Braze", links.length ? h("span", { class: "links" }, links.map(([name, href]) => outside(href, name.replace(/^Braze /, ""), "_blank"))) : null],
    ]),
    one.target.campaign_id && links.length
      ? h("p", { class: "quiet" }, "To find the campaign in Braze's dashboard, search for ", h("code", {}, `api_id:${one.target.campaign_id}`), ".") : null,
  ];
}

function reasons(found) {
  if (!found.length) return null;
  return [
    h("h2", {}, "First reasons"),
    table("First reasons", ["State", "Reason", "Batches", "Recipients", "First batch"], found.map((one) => [
      badge(one.state, BATCH_STATES), one.reason ?? "No outcome was noted.", number(one.batches), number(one.recipients), number(one.first_batch),
    ])),
  ];
}

function decisions(made) {
  if (!made.length) return null;
  return [
    h("h2", {}, "Decisions"),
    table("Decisions", ["Decision", "Who", "When", "Batches", "Recipients"], made.map((one) => [
      DECISIONS[one.decision] ?? one.decision, one.decided_by, time(one.decided_at), one.batches, number(one.recipients),
    ])),
  ];
}

/** The batches with Braze's ids, a page at a time. */
function batches(route) {
  const rows = h("div", { class: "rows" });
  const more = h("button", { type: "button", hidden: true, onclick: () => load(more.start) }, "Show more");
  const counts = h("div", { class: "filters", role: "group", "aria-label": "Batches to show" });
  let shown = [];
  let state = "";

  const draw = part(rows, (found) => found.length
    ? table("Batches", ["Batch", "State", "Recipients", "Noted", "Braze's ids, or the reason"], found.map((one) => [
      number(one.number), badge(one.state, BATCH_STATES), number(one.recipients), time(one.noted_at),
      Object.keys(one.ids).length ? Object.entries(one.ids).map(([name, id]) => h("code", { title: name }, id)) : h("span", { class: "quiet" }, one.reason ?? "–"),
    ]))
    : h("p", { class: "quiet" }, "No batches."));

  async function load(start = 1) {
    const query = new URLSearchParams({ start, limit: 50, ...(state ? { state } : {}) });
    const page = await call(`${route}/batches?${query}`);
    shown = start === 1 ? page.batches : [...shown, ...page.batches];
    more.start = page.next;
    more.hidden = page.next === null;
    draw(shown);
  }

  const drawCounts = part(counts, (one, chosen) => {
    const all = Object.values(one).reduce((sum, count) => sum + count, 0);
    return [["", "All", all], ...Object.entries(BATCH_STATES).map(([name, label]) => [name, label, one[name]])]
      .filter(([name, , count]) => name === "" || count)
      .map(([name, label, count]) => h("button", {
        type: "button", "aria-pressed": String(name === chosen), "data-key": name || "all",
        onclick: () => { state = name; drawCounts(one, state); return load(); },
      }, `${label} ${number(count)}`));
  });

  return {
    element: [h("h2", {}, "Batches"), counts, rows, more],
    update: (one) => {
      drawCounts(one.batches, state);
      // Who has asked for more keeps reading, undisturbed.
      if (shown.length <= 50) return load();
      return null;
    },
  };
}

async function linksOf(one) {
  const path = ["dags", one.dag_id, "dagRuns", one.run_id, "taskInstances", one.task_id, "links"].map(encodeURIComponent).join("/");
  const told = await askAirflow(`${path}?map_index=${one.map_index}`);
  // A task has made these links: only those that lead to a page are followed.
  return Object.entries(told?.extra_links ?? {}).filter(([name, href]) => name.startsWith("Braze ") && /^https?:\/\//.test(href ?? ""));
}

/** Show one delivery. */
export async function showDelivery(main, dagId, id) {
  const route = routeOf(dagId, id);
  const section = (name) => h("section", { class: name });
  const parts = Object.fromEntries(["head", "decide", "figures", "about", "reasons", "decisions", "batches"].map((name) => [name, section(name)]));
  const drawHead = part(parts.head, head);
  const drawFigures = part(parts.figures, figures);
  const drawAbout = part(parts.about, about);
  const drawReasons = part(parts.reasons, reasons);
  const drawDecisions = part(parts.decisions, decisions);
  const decide = showDecision(parts.decide, route, () => look());
  const list = batches(route);
  parts.batches.append(...list.element);
  let found = null;
  let links = [];
  let written = null;

  async function look() {
    found = await call(route);
    document.title = `${nameOf(found)} · Braze deliveries`;
    drawHead(found);
    drawFigures(found);
    drawAbout(found, links);
    drawReasons(found.reasons);
    drawDecisions(found.decisions);
    decide(found, links);
    const now = JSON.stringify([found.written_at, found.batches, found.state]);
    if (now !== written) {
      written = now;
      await list.update(found);
    }
  }

  main.replaceChildren(
    h("p", { class: "back" }, h("a", { href: "./" }, "← All deliveries")),
    parts.head, parts.decide,
    h("div", { class: "columns" }, h("div", { class: "stack" }, parts.figures, parts.decisions), parts.about),
    parts.reasons, parts.batches);
  await look();
  links = await linksOf(found);
  await look();
  keepLooking(look, () => found.state === "running");
}
