// All deliveries: those in doubt first, then the newest.
import { call } from "./api.js";
import { h, keepLooking, number, part, plural, table } from "./dom.js";
import { STATES, badge, bar, nameOf, speed, time } from "./figures.js";

const PER_PAGE = 25;
const HEADINGS = ["Delivery", "State", "Recipients", "Speed", "Begun"];

function row(one) {
  const href = `?${new URLSearchParams({ dag_id: one.dag_id, delivery: one.id })}`;
  return [
    h("div", { class: "name" },
      h("a", { href, "data-key": String(one.id) }, nameOf(one)),
      h("span", { class: "quiet" }, `${one.dag_id} › ${one.run_id}`)),
    badge(one.state),
    bar(one),
    h("div", { class: "speed" }, speed(one) ?? h("span", { class: "quiet none" }, "–")),
    time(one.begun_at),
  ];
}

/** Show the list. What is asked for is in the address, so that it can be kept and sent to others. */
export async function showList(main) {
  const asked = new URLSearchParams(location.search);
  let found = { deliveries: [], total: 0 };
  let calls = 0;

  const search = h("input", {
    type: "search", id: "search", value: asked.get("q") ?? "", placeholder: "Dag, run or task", "aria-label": "Search by the id of a Dag, run or task",
    oninput: () => { clearTimeout(search.timer); search.timer = setTimeout(() => change({ q: search.value }), 250); },
  });
  const state = h("select", { id: "state", "aria-label": "State", onchange: () => change({ state: state.value }) },
    h("option", { value: "" }, "All states"),
    Object.entries(STATES).map(([value, label]) => h("option", { value, selected: value === asked.get("state") }, label)));
  const refresh = h("button", { type: "button", onclick: () => look() }, "Refresh");
  const list = h("div", { class: "list" });
  const pages = h("nav", { class: "pages", "aria-label": "Pages" });

  const draw = part(list, (deliveries, isAsked) => {
    if (deliveries.length) return table("Deliveries", HEADINGS, deliveries.map(row));
    return h("div", { class: "empty" },
      h("p", {}, isAsked ? "No delivery is like this." : "No delivery yet."),
      h("p", { class: "quiet" }, isAsked
        ? "You see the deliveries of Dags that you may read."
        : "A task with the ledger_conn_id that this page shows appears here when it begins to send."));
  });
  const drawPages = part(pages, (total, offset) => {
    if (total <= PER_PAGE) return total ? h("span", { class: "quiet" }, plural(total, "delivery", "deliveries")) : null;
    const last = Math.min(total, offset + PER_PAGE);
    const go = (label, to, key) => h("button", { type: "button", disabled: to < 0 || to >= total, "data-key": key, onclick: () => change({ offset: to }) }, label);
    return [
      go("Before", offset === 0 ? -1 : Math.max(0, offset - PER_PAGE), "before"),
      h("span", { class: "quiet" }, `${number(offset + 1)}–${number(last)} of ${plural(total, "delivery", "deliveries")}`),
      go("Next", offset + PER_PAGE, "next"),
    ];
  });

  const offsetNow = () => Math.max(0, Number(asked.get("offset")) || 0);

  function change(what) {
    asked.delete("offset");
    for (const [name, value] of Object.entries(what)) {
      if (value) asked.set(name, value);
      else asked.delete(name);
    }
    history.replaceState(null, "", `${location.pathname}${asked.size ? `?${asked}` : ""}`);
    return look();
  }

  async function look() {
    const mine = ++calls;
    const got = await call(`deliveries?${new URLSearchParams({ ...Object.fromEntries(asked), limit: PER_PAGE })}`);
    if (mine !== calls) return;
    found = got;
    draw(found.deliveries, ["q", "state"].some((name) => asked.has(name)));
    drawPages(found.total, offsetNow());
  }

  main.replaceChildren(
    h("header", { class: "top" },
      h("h1", {}, "Braze deliveries"),
      h("div", { class: "tools", role: "search" }, search, state, refresh)),
    list, pages);
  await look();
  keepLooking(look, () => found.deliveries.some((one) => one.state === "running"));
}
