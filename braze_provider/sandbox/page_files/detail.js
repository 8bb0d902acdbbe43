// One request: its recipients, the message as each of them sees it, what was asked and what was answered.
import { call } from "./api.js";
import { copyButton, h, number, plural, pretty, scrolling, when } from "./dom.js";
import { audienceOf, outcomeOf, titleOf } from "./names.js";
import { messageCard } from "./message.js";

const PAGE = 25;

function facts(entry) {
  const { task, schedule } = entry;
  const rows = {
    Request: `${entry.method} ${entry.url}`,
    Received: `${when(entry.at)} UTC`,
    "Dispatch id": entry.dispatch_id,
    "Campaign id": entry.campaign_id,
    "Canvas id": entry.canvas_id,
    "Send id": entry.send_id,
    Schedule: schedule && `${schedule.time} (${schedule.state}), ${schedule.id}`,
    Dag: task.dag_id,
    Run: task.run_id,
    Task: task.task_id && task.task_id + (task.try_number ? `, try ${task.try_number}` : ""),
    Fault: entry.fault,
    "Unknown fields": entry.unknown_fields.join(", "),
  };
  return h("dl", { class: "facts" },
    Object.entries(rows).filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** Show a request in a place. */
export async function showSend(place, chosen, recipient) {
  place.replaceChildren(h("p", { class: "empty quiet" }, "Loading …"));
  let entry;
  try {
    entry = await call(`/inbox/${chosen}`);
  } catch (error) {
    place.replaceChildren(h("div", { class: "empty" }, h("p", {}, error.message), h("a", { href: "#/" }, "Back to the list")));
    return;
  }
  const [outcome, kind] = outcomeOf(entry);
  const heading = h("h2", { tabindex: "-1" }, titleOf(entry));
  place.replaceChildren(
    h("a", { class: "back", href: "#/" }, "← Back to the list"),
    h("div", { class: "title" }, heading,
      h("span", { class: `pill ${kind}` }, outcome),
      h("span", { class: "quiet" }, entry.broadcast || entry.recipients ? audienceOf(entry) + (entry.accepted && !entry.broadcast && entry.reached !== entry.recipients ? `, ${number(entry.reached)} reached` : "") : "")),
    facts(entry),
    entry.broadcast || entry.named || entry.has_messages ? messages(entry, recipient) : "",
    request(entry),
    answer(entry));
  heading.focus();
}

function messages(entry, recipient) {
  const shown = h("div", { class: "shown", "aria-live": "polite" });
  let current = recipient;

  async function show(key) {
    current = key;
    const remote = shown.querySelector("input[name=remote]")?.checked ?? false;
    await draw(remote);
  }
  async function draw(remote) {
    const query = new URLSearchParams({ recipient: current ?? "", remote });
    const told = await call(`/inbox/${entry.number}/message?${query}`);
    shown.replaceChildren(...cards(entry, told, remote, draw));
  }

  const place = h("section", { class: "messages" }, h("h3", {}, "As the recipient sees it"));
  if (entry.named) place.append(h("div", { class: "columns" }, picker(entry, recipient, show), shown));
  else {
    place.append(shown);
    show(null);
  }
  return place;
}

function cards(entry, told, remote, draw) {
  const values = Object.keys(told.values).length
    ? h("details", { open: told.messages.length === 0 }, h("summary", {}, "Values for this recipient"), scrolling("Values for this recipient", JSON.stringify(told.values, null, 2)))
    : "";
  if (told.messages.length === 0) {
    const what = entry.canvas_id ? "Canvas" : "campaign";
    const text = entry.name.startsWith("messages_")
      ? "The sandbox does not have the content of this request."
      : `Braze keeps the content of this ${what}; the request carries only values for it. Give the sandbox the ${what}'s messages in its workspace file, and they are shown here.`;
    return [h("p", { class: "note" }, text), values];
  }
  return [...told.messages.map((message) => messageCard(message, told.recipient, { remote, onRemote: draw })), values];
}

// The recipients, a page at a time. Arrow keys move between them.
function picker(entry, wanted, onPick) {
  const list = h("ul", { class: "recipients", onkeydown: move });
  const where = h("span", { class: "quiet" });
  const before = h("button", { type: "button", onclick: () => load(offset - PAGE), "aria-label": "Recipients before these" }, "‹");
  const after = h("button", { type: "button", onclick: () => load(offset + PAGE), "aria-label": "Recipients after these" }, "›");
  let offset = 0;

  function pick(button) {
    for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
    onPick(button.dataset.key);
  }
  function move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll("button")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (next) {
      next.focus();
      pick(next);
    }
  }
  async function load(from) {
    offset = from;
    const { total, recipients } = await call(`/inbox/${entry.number}/recipients?offset=${offset}&limit=${PAGE}`);
    list.replaceChildren(...recipients.map(({ key, reached }) =>
      h("li", {}, h("button", { type: "button", "data-key": key, "aria-pressed": "false", onclick: (event) => pick(event.currentTarget) },
        key, !reached && h("span", { class: "quiet" }, entry.schedule?.state === "waiting" ? " waits" : " not reached")))));
    where.textContent = total > PAGE ? `${number(offset + 1)}–${number(offset + recipients.length)} of ${number(total)}` : plural(total, "recipient");
    before.hidden = after.hidden = total <= PAGE;
    before.disabled = offset === 0;
    after.disabled = offset + PAGE >= total;
    const buttons = [...list.querySelectorAll("button")];
    const first = buttons.find((button) => button.dataset.key === wanted) ?? buttons[0];
    if (first) pick(first);
  }
  load(0);
  return h("div", { class: "picker" }, h("div", { class: "pages" }, before, where, after), list);
}

function request(entry) {
  const headers = Object.entries(entry.headers);
  return h("section", {},
    h("div", { class: "title" }, h("h3", {}, "Request"),
      copyButton("Copy as curl", async () => (await call(`/inbox/${entry.number}/curl`)).curl),
      entry.body && copyButton("Copy JSON", () => pretty(entry.body))),
    headers.length > 0 && h("details", {}, h("summary", {}, plural(headers.length, "header")),
      scrolling("Headers of the request", headers.map(([name, value]) => `${name}: ${value}`).join("\n"))),
    entry.body ? scrolling("Body of the request", pretty(entry.body))
      : h("p", { class: "quiet" }, entry.kept ? "It has no body." : "Its body was not kept."));
}

function answer(entry) {
  return h("section", {},
    h("h3", {}, entry.status === null ? "No answer" : `Answer: ${entry.status}`),
    entry.answer ? scrolling("Body of the answer", pretty(entry.answer)) : h("p", { class: "quiet" }, "It has no body."));
}
