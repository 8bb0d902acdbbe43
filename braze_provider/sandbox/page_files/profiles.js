// The profiles of users: what requests have written to them, and what was loaded from files.
import { call, open } from "./api.js";
import { h, number, plural, say, scrolling } from "./dom.js";

const PAGE = 50;

export function showProfiles(main, live) {
  const list = h("div", { class: "profiles" });
  const where = h("span", { class: "quiet" });
  const before = h("button", { type: "button", onclick: () => load(offset - PAGE) }, "‹ Before");
  const after = h("button", { type: "button", onclick: () => load(offset + PAGE) }, "After ›");
  const search = h("input", {
    id: "search", type: "search", "aria-label": "Search by the whole key of a user", placeholder: "Whole key: user-1, email:ada@example.com …",
    oninput: () => { clearTimeout(search.timer); search.timer = setTimeout(() => load(0), 200); },
  });
  main.append(h("div", { class: "controls" },
    h("section", { class: "wide" }, h("h2", {}, "Profiles"),
      h("div", { class: "search" }, search), h("p", { class: "buttons" }, before, where, after), list),
    h("section", { class: "wide" }, h("h2", {}, "Load profiles"), loadForm(() => load(0)))));
  let offset = 0;
  let asked = 0;

  async function load(from) {
    offset = from;
    const mine = ++asked;
    const id = search.value.trim();
    const told = id
      ? await call(`/profiles?${new URLSearchParams({ id })}`).then(({ profile }) => ({ total: profile ? 1 : 0, profiles: profile ? [profile] : [] }))
      : await call(`/profiles?offset=${offset}&limit=${PAGE}`);
    if (mine !== asked) return;
    where.textContent = told.total ? `${number(offset + 1)}–${number(offset + told.profiles.length)} of ${plural(told.total, "profile")}` : "";
    before.disabled = offset === 0;
    after.disabled = offset + PAGE >= told.total;
    before.hidden = after.hidden = told.total <= PAGE;
    const opened = new Set([...list.querySelectorAll("details[open]")].map((each) => each.dataset.key));
    list.replaceChildren(...(told.profiles.length ? told.profiles.map((profile) => card(profile, opened)) : [h("p", { class: "quiet" }, id ? "There is no such profile." : "There are no profiles yet: a request to /users/track writes some, and so does a file.")]));
  }
  let seen = live.state?.summary.requests ?? null;
  live.onChange = ({ summary }) => {
    if (summary.requests === seen) return;
    seen = summary.requests;
    load(offset);
  };
  load(0);
}

function loadForm(onLoaded) {
  const file = h("input", { type: "file", accept: ".csv,.jsonl,.ndjson", required: true, "aria-label": "File with profiles" });
  const wrong = h("div", { class: "bad", role: "alert" });
  const form = h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      wrong.replaceChildren();
      const [chosen] = file.files;
      const format = chosen.name.toLowerCase().endsWith(".csv") ? "csv" : "jsonl";
      const response = await open(`/profiles?format=${format}`, { method: "POST", body: chosen });
      const told = await response.json();
      if (response.ok) {
        form.reset();
        say(`${plural(told.profiles, "profile")} loaded`);
        onLoaded();
      } else wrong.replaceChildren(...mistakes(told));
    },
  },
  h("p", { class: "quiet" }, "CSV or JSON lines with a user in each row: an ", h("code", {}, "external_id"), ", and attributes of any name. They are what Liquid finds in ", h("code", {}, "{{${first_name}}}"), " and ", h("code", {}, "{{custom_attribute.${city}}}"), "."),
  h("p", { class: "buttons" }, file, h("button", { type: "submit", class: "main" }, "Load")), wrong);
  return form;
}

function mistakes({ message, wrong, rows }) {
  if (!rows) return [h("p", {}, message)];
  return [
    h("p", {}, `Nothing was loaded: ${plural(wrong, "row is", "rows are")} wrong.`),
    h("ul", { class: "mistakes" }, rows.map(({ row, reason }) => h("li", {}, row ? `Row ${number(row)}: ${reason}` : reason))),
  ];
}

function card({ keys, attributes, events, purchases, subscriptions }, opened) {
  const counts = [
    plural(Object.keys(attributes).length, "attribute"), plural(events.length, "event"), plural(purchases.length, "purchase"),
    plural(Object.keys(subscriptions).length, "subscription"),
  ];
  return h("details", { "data-key": keys[0], open: opened.has(keys[0]) },
    h("summary", {}, h("strong", {}, keys.join(", ")), h("span", { class: "quiet" }, ` ${counts.join(" · ")}`)),
    scrolling(`Profile of ${keys[0]}`, JSON.stringify({ attributes, events, purchases, subscriptions }, null, 2)));
}
