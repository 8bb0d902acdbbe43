// The catalogs, each with its items.
import { call } from "./api.js";
import { h, number, plural, scrolling } from "./dom.js";

const PAGE = 50;

export function showCatalogs(main, live) {
  const list = h("div", { class: "profiles" });
  main.append(h("div", { class: "controls" }, h("section", { class: "wide" }, h("h2", {}, "Catalogs"), list)));
  const opened = new Map(); // by name: how many items come before those that are shown

  async function load() {
    const { catalogs } = await call("/catalog-sizes");
    const sizes = Object.entries(catalogs);
    list.replaceChildren(...(sizes.length ? sizes.map(([name, size]) => card(name, size, opened))
      : [h("p", { class: "quiet" }, "There are no catalogs yet: the first items that a request writes make one.")]));
  }
  let seen = live.state?.summary.requests ?? null;
  live.onChange = ({ summary }) => {
    if (summary.requests === seen) return;
    seen = summary.requests;
    load();
  };
  load();
}

function card(name, size, opened) {
  const items = h("div", { class: "items" });
  const where = h("span", { class: "quiet" });
  const before = h("button", { type: "button", onclick: () => load(offset - PAGE), "aria-label": `Items of ${name} before these` }, "‹ Before");
  const after = h("button", { type: "button", onclick: () => load(offset + PAGE), "aria-label": `Items of ${name} after these` }, "After ›");
  let offset = 0;
  let asked = 0;

  async function load(from) {
    offset = from;
    opened.set(name, offset);
    const mine = ++asked;
    const told = await call(`/catalogs/${encodeURIComponent(name)}?offset=${offset}&limit=${PAGE}`);
    if (mine !== asked) return;
    where.textContent = `${number(offset + 1)}–${number(offset + told.items.length)} of ${number(told.total)}`;
    before.disabled = offset === 0;
    after.disabled = offset + PAGE >= told.total;
    items.replaceChildren(scrolling(`Items of ${name}`, told.items.map((item) => JSON.stringify(item)).join("\n")));
  }
  return h("details", {
    open: opened.has(name),
    ontoggle: ({ target }) => {
      if (target.open) load(opened.get(name) ?? 0);
      else opened.delete(name);
    },
  },
  h("summary", {}, h("strong", {}, name), h("span", { class: "quiet" }, ` ${plural(size, "item")}`)),
  size > PAGE && h("p", { class: "buttons" }, before, where, after), items);
}
