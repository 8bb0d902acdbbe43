// The inbox: requests, the newest first, and beside them the one that is open.
import { call } from "./api.js";
import { showSend } from "./detail.js";
import { h, number, when } from "./dom.js";
import { audienceOf, channelName, outcomeOf, titleOf } from "./names.js";

const MOST_CHANNELS = 3;
const FILTERS = { sends: "Sends", scheduled: "Scheduled", failed: "Failed", all: "All requests" };

// A campaign with very many channels must not take half of the list.
function channelsOf({ channels }) {
  const names = channels.map(channelName);
  const few = names.length > MOST_CHANNELS ? [...names.slice(0, MOST_CHANNELS - 1), `+ ${names.length - MOST_CHANNELS + 1}`] : names;
  return few.map((name) => h("span", { title: names.join(", ") }, name));
}

function row(entry) {
  const [outcome, kind] = outcomeOf(entry);
  const { dag_id: dag, task_id: task, run_id: run } = entry.task;
  const origin = [[dag, task].filter(Boolean).join(" › "), run].filter(Boolean).join(" · ");
  const isSend = entry.broadcast || entry.recipients > 0;
  return h("li", {},
    h("a", { href: `#/send/${entry.number}`, "data-number": entry.number },
      h("span", { class: "top" },
        h("strong", {}, titleOf(entry)),
        h("time", { datetime: new Date(entry.at * 1000).toISOString() }, when(entry.at))),
      h("span", { class: "under" },
        h("span", { class: `pill ${kind}` }, outcome),
        entry.fault && h("span", { class: "pill bad" }, `fault: ${entry.fault}`),
        h("span", {}, isSend ? audienceOf(entry) : entry.endpoint),
        entry.campaign_id || entry.canvas_id ? channelsOf(entry) : null,
        origin && h("span", { class: "task", title: origin }, origin))));
}

/** Show the inbox. Returns what opens a request in it. */
export function showInbox(main, live) {
  const list = h("ol", { class: "entries", "aria-label": "Requests, the newest first" });
  const older = h("button", { type: "button", hidden: true, onclick: () => loadOlder() }, "Show older ones");
  const empty = h("div", { class: "empty", hidden: true });
  const search = h("input", {
    id: "search", type: "search", placeholder: "Recipient, campaign, id …", "aria-label": "Search by recipient, campaign, dispatch id or Dag",
    oninput: () => { clearTimeout(search.timer); search.timer = setTimeout(refill, 200); },
  });
  const filter = h("select", { "aria-label": "Show", onchange: () => refill() },
    Object.entries(FILTERS).map(([value, label]) => h("option", { value }, label)));
  const detail = h("section", { class: "detail", "aria-label": "The open request" });
  const box = h("div", { class: "inbox" },
    h("section", { class: "list", "aria-label": "What was received" },
      h("div", { class: "search" }, search, filter), list, empty, older),
    detail);
  main.append(box);

  const rows = new Map(); // by number: the row, and what it shows
  let entries = [];
  let next = null;
  let open = null;
  let asked = 0;

  const ask = (parameters) =>
    call(`/inbox?${new URLSearchParams({ kind: filter.value, q: search.value, ...parameters })}`);

  function draw() {
    const wanted = entries.map((entry) => {
      const text = JSON.stringify(entry);
      let known = rows.get(entry.number);
      if (known?.text !== text) {
        known = { text, element: row(entry) };
        const old = rows.get(entry.number)?.element;
        // A row that has the focus keeps it when it changes.
        if (old?.contains(document.activeElement)) queueMicrotask(() => known.element.firstChild.focus());
        rows.set(entry.number, known);
      }
      return known.element;
    });
    if (wanted.length !== list.children.length || wanted.some((element, index) => list.children[index] !== element)) {
      const focused = list.contains(document.activeElement) ? document.activeElement : null;
      list.replaceChildren(...wanted);
      focused?.focus();
    }
    for (const link of list.querySelectorAll("a")) {
      if (Number(link.dataset.number) === open) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    older.hidden = next === null;
    list.hidden = entries.length === 0;
    empty.hidden = entries.length > 0;
    if (!empty.hidden) {
      empty.replaceChildren(
        h("p", {}, search.value || filter.value !== "sends" ? "Nothing here fits." : "Nothing was sent yet."),
        h("p", { class: "quiet" }, search.value
          ? "A recipient is found by the whole key: user-1, email:ada@example.com or alias:label:name. A dispatch id is found by its beginning."
          : `Run a Dag with the connection that the sandbox printed, or send a request to ${location.origin}.`));
    }
  }

  async function refill() {
    const mine = ++asked;
    const page = await ask({});
    if (mine !== asked) return;
    ({ entries, next } = page);
    draw();
  }

  async function refresh() {
    const mine = ++asked;
    const page = await ask({ limit: Math.min(200, Math.max(50, entries.length)) });
    if (mine !== asked) return;
    const last = page.entries.at(-1)?.number;
    const rest = page.next === null ? [] : entries.filter((entry) => entry.number < last);
    if (rest.length === 0 || page.next === null) next = page.next;
    entries = [...page.entries, ...rest];
    draw();
  }

  async function loadOlder() {
    const mine = ++asked;
    const page = await ask({ before: next });
    if (mine !== asked) return;
    const first = page.entries[0]?.number;
    entries = [...entries, ...page.entries];
    next = page.next;
    draw();
    list.querySelector(`[data-number="${first}"]`)?.focus();
  }

  let reset = null;
  live.onChange = (state) => {
    // A sandbox that was cleared begins again at number 0, and has forgotten the request that is open.
    if (reset !== null && state.summary.requests < reset && open !== null) location.hash = "#/";
    reset = state.summary.requests;
    document.title = `${number(state.summary.messages)} messages · Braze sandbox`;
    refresh();
  };
  refill();

  return ({ number: opened, query }) => {
    const isOther = opened !== open;
    open = opened;
    box.classList.toggle("open", open !== null);
    draw();
    if (open === null) {
      detail.replaceChildren(h("div", { class: "empty" }, h("p", { class: "quiet" }, "Open a request to see its messages, recipient by recipient.")));
    } else if (isOther) {
      showSend(detail, open, query.get("recipient"));
    }
  };
}
