// Faults, the clock, rate limits, counters, and what clears or exports everything.
import { call, open } from "./api.js";
import { h, number, plural, say, svg } from "./dom.js";

const SECONDS_SHOWN = 60;
const COUNTERS = {
  requests: "requests", accepted: "sends taken", recipients: "recipients", messages: "messages",
  duplicates: "duplicates", broadcasts: "broadcasts", peak_requests_per_second: "requests in the busiest second",
};
const WINDOWS = { 1: "second", 60: "minute", 3600: "hour", 86400: "day" };

export function showControls(main, live) {
  const counters = h("dl", { class: "counters" });
  const endpoints = h("div", {});
  const limits = h("div", { class: "limits" });
  const speed = h("div", { class: "speed" });
  const faults = h("ul", { class: "faults" });
  main.append(h("div", { class: "controls" },
    h("section", { class: "wide" }, h("h2", {}, "Counters"), counters, endpoints),
    h("div", { class: "stack" },
      h("section", {}, h("h2", {}, "Rate limits"), speed, limits),
      h("section", {}, h("h2", {}, "Clock"), clockForm()),
      h("section", {}, h("h2", {}, "What was received"), everything())),
    h("section", {}, h("h2", {}, "Faults"), faults, faultForm())));

  const history = new Array(SECONDS_SHOWN).fill(0);
  let last = null;
  const timer = setInterval(() => {
    if (!speed.isConnected) return clearInterval(timer);
    const { requests } = live.state?.summary ?? { requests: 0 };
    history.shift();
    history.push(last === null ? 0 : Math.max(0, requests - last));
    last = requests;
    speed.replaceChildren(chart(history));
  }, 1000);
  speed.replaceChildren(chart(history));

  live.onChange = ({ summary, limits: budgets, faults: inForce }) => {
    counters.replaceChildren(...Object.entries(COUNTERS).map(([name, label]) =>
      h("div", { class: name === "duplicates" && summary.duplicates ? "bad" : "" }, h("dt", {}, label), h("dd", {}, number(summary[name])))));
    endpoints.replaceChildren(byEndpoint(summary.by_endpoint));
    limits.replaceChildren(...budgets.map(budget));
    faults.replaceChildren(...inForce.map(fault));
    faults.hidden = inForce.length === 0;
  };
  if (live.state) live.onChange(live.state);
}

function byEndpoint(counts) {
  const rows = Object.entries(counts);
  if (rows.length === 0) return "";
  return h("details", {}, h("summary", {}, "By endpoint and status"),
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Endpoint"), h("th", { scope: "col" }, "Answers"))),
      h("tbody", {}, rows.map(([endpoint, statuses]) => h("tr", {}, h("td", {}, endpoint),
        h("td", {}, Object.entries(statuses).map(([status, count]) => `${status}: ${number(count)}`).join(", ")))))));
}

// Requests in each of the last seconds.
function chart(history) {
  const most = Math.max(...history, 1);
  const bars = history.map((count, second) => {
    const height = (count / most) * 40;
    return svg("rect", { x: second * 5, y: 42 - height, width: 4, height: Math.max(height, 0.5) });
  });
  return h("figure", {},
    svg("svg", { viewBox: `0 0 ${SECONDS_SHOWN * 5} 44`, role: "img", "aria-label": `Requests in each of the last ${SECONDS_SHOWN} seconds, ${most} at most`, preserveAspectRatio: "none" }, bars),
    h("figcaption", { class: "quiet" }, `Requests a second, the last minute · most: ${number(Math.max(...history))}`));
}

// A used-up budget is a full bar.
function budget({ limit, key, requests, seconds, used, left, refused, reset }) {
  // The key of a broadcast's budget holds the ids that make its audience.
  const name = key ? `${limit} ${JSON.parse(key).filter((part) => part !== null).map((part) => (typeof part === "string" ? part : JSON.stringify(part))).join(", ")}` : limit;
  const bar = h("div", { class: "used" });
  bar.style.width = `${used === 0 ? 0 : Math.max(0.5, (used / requests) * 100)}%`;
  const window = WINDOWS[seconds] ?? `${number(seconds)} seconds`;
  return h("div", { class: `budget ${left === 0 ? "full" : ""}` },
    h("p", {}, h("strong", {}, name), h("span", { class: "quiet" }, ` ${number(requests)} every ${window}`)),
    h("div", { class: "meter", role: "meter", "aria-label": `${name}: used`, "aria-valuemin": 0, "aria-valuemax": requests, "aria-valuenow": used }, bar),
    h("p", { class: "quiet" }, `${number(used)} used · ${number(left)} left · `, h("span", { class: refused ? "bad" : "" }, `${number(refused)} refused`), ` · resets ${new Date(reset * 1000).toISOString().slice(11, 19)} UTC`));
}

/** Whether a fault will still fire. */
export const isArmed = (fault) => fault.times === null || fault.fired < fault.times;

function fault(one, place) {
  const more = Object.entries(one)
    .filter(([name, value]) => !["kind", "seen", "fired", "times", "after"].includes(name) && value !== null && value !== 0 && value !== false)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return h("li", { class: isArmed(one) ? "" : "over" },
    h("span", {}, h("strong", {}, one.kind), ` ${one.times === null ? "each time" : `${plural(one.times, "time")}`}`, one.after ? `, after ${plural(one.after, "request")}` : "", more.length ? `, ${more.join(", ")}` : "",
      h("span", {}, ` · fired ${plural(one.fired, "time")}${isArmed(one) ? "" : ", over"}`)),
    h("button", { type: "button", "aria-label": `Switch off ${one.kind}`, onclick: async () => { await call(`/faults?number=${place}`, { method: "DELETE" }); say(`${one.kind} is off`); } }, "Off"));
}

const field = (label, input) => h("label", { class: "field" }, h("span", {}, label), input);

function faultForm() {
  const kind = h("select", { name: "kind", onchange: () => draw() });
  const does = h("p", { class: "quiet" });
  const own = h("div", { class: "fields" });
  const endpoint = h("select", { name: "endpoint" }, h("option", { value: "" }, "all"));
  const times = h("input", { name: "times", type: "number", min: 1, value: 1, placeholder: "each time" });
  const after = h("input", { name: "after", type: "number", min: 0, value: 0 });
  const wrong = h("p", { class: "bad", role: "alert" });
  let kinds = [];

  function draw() {
    const chosen = kinds.find((each) => each.kind === kind.value);
    does.textContent = chosen.does.replaceAll("``", "");
    own.replaceChildren(...chosen.fields.map(({ name, type, default: usual }) => {
      const input = h("input", { name, type: { switch: "checkbox", number: "number", text: "text" }[type], step: type === "number" && "any", placeholder: usual ?? "", "data-type": type });
      if (type === "switch") input.checked = usual;
      return field(name.replaceAll("_", " "), input);
    }));
  }
  call("/fault-kinds").then((told) => {
    kinds = told.kinds;
    endpoint.append(...told.endpoints.map((path) => h("option", {}, path)));
    kind.append(...kinds.map((each) => h("option", {}, each.kind)));
    draw();
  });

  const form = h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      const body = { kind: kind.value, after: Number(after.value), times: times.value === "" ? null : Number(times.value) };
      if (endpoint.value) body.endpoint = endpoint.value;
      for (const input of own.querySelectorAll("input")) {
        if (input.type === "checkbox") body[input.name] = input.checked;
        else if (input.value !== "") body[input.name] = input.dataset.type === "number" ? Number(input.value) : input.value;
      }
      wrong.textContent = "";
      try {
        await call("/faults", { method: "POST", body });
        say(`${kind.value} is on`);
      } catch (error) {
        wrong.textContent = error.message;
      }
    },
  },
  h("div", { class: "fields" }, field("Way to fail", kind), field("Endpoint", endpoint), field("Times (empty: always)", times), field("After so many requests", after)),
  does, own, wrong,
  h("p", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Switch on"),
    h("button", { type: "button", onclick: async () => { await call("/faults", { method: "DELETE" }); say("All faults are off"); } }, "All off")));
  return form;
}

function clockForm() {
  const move = async (seconds) => {
    const { date } = await call(`/clock?seconds=${seconds}`, { method: "POST" });
    say(`It is ${date}. What was due is sent.`);
  };
  const hours = h("input", { type: "number", min: "0.01", step: "any", value: "12" });
  return [
    h("p", { class: "quiet" }, "Move the clock forward: schedules that are due by then are sent, and rate limits reset."),
    h("p", { class: "buttons" }, [["1 minute", 60], ["1 hour", 3600], ["1 day", 86400]].map(([label, seconds]) =>
      h("button", { type: "button", onclick: () => move(seconds) }, `+ ${label}`))),
    h("form", { class: "fields", onsubmit: (event) => { event.preventDefault(); move(Number(hours.value) * 3600); } },
      field("Hours", hours), h("button", { type: "submit" }, "Move")),
  ];
}

function everything() {
  const sure = h("dialog", { "aria-labelledby": "sure" },
    h("h2", { id: "sure" }, "Clear everything?"),
    h("p", {}, "All requests, recipients, profiles, schedules and faults are forgotten, and the clock returns."),
    h("p", { class: "buttons" },
      h("button", { type: "button", class: "main danger", onclick: async () => { await call("/reset", { method: "POST" }); sure.close(); say("Everything is cleared"); } }, "Clear everything"),
      h("button", { type: "button", onclick: () => sure.close() }, "Keep it")));
  return [
    h("p", { class: "quiet" }, "One line of JSON for each request, with its answer."),
    h("p", { class: "buttons" },
      h("button", { type: "button", onclick: download }, "Export as JSON lines"),
      h("button", { type: "button", class: "danger", onclick: () => sure.showModal() }, "Clear everything")),
    sure,
  ];
}

async function download() {
  // A link can't carry the token, so the file is fetched first.
  const response = await open("/export");
  const address = URL.createObjectURL(await response.blob());
  h("a", { href: address, download: "braze-sandbox.jsonl" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
