// Faults, the clock, rate limits, counters, and what clears or exports everything.
import { call, open } from "./api.js";
import { budgetCard } from "./chart.js";
import { h, number, plural, say } from "./dom.js";

const COUNTERS = {
  requests: "requests", accepted: "sends taken", recipients: "recipients", messages: "messages",
  duplicates: "duplicates", broadcasts: "broadcasts", peak_requests_per_second: "requests in the busiest second",
};

export function showControls(main, live) {
  const counters = h("dl", { class: "counters" });
  const endpoints = h("div", {});
  const limits = h("div", { class: "limits" });
  const faults = h("ul", { class: "faults" });
  main.append(h("div", { class: "controls" },
    h("section", { class: "wide" }, h("h2", {}, "Counters"), counters, endpoints),
    h("div", { class: "stack" },
      h("section", {}, h("h2", {}, "Rate limits"), limits),
      h("section", {}, h("h2", {}, "Clock"), clockForm()),
      h("section", {}, h("h2", {}, "What was received"), everything())),
    h("section", {}, h("h2", {}, "Faults"), faults, faultForm())));

  // The charts move on while nothing happens.
  const timer = setInterval(() => (limits.isConnected ? drawLimits() : clearInterval(timer)), 1000);
  function drawLimits() {
    if (!live.state) return;
    const now = Date.now() / 1000 + live.state.ahead;
    limits.replaceChildren(...live.state.limits.map((budget) => budgetCard(budget, now)));
  }

  live.onChange = ({ summary, faults: inForce }) => {
    counters.replaceChildren(...Object.entries(COUNTERS).map(([name, label]) =>
      h("div", { class: name === "duplicates" && summary.duplicates ? "bad" : "" }, h("dt", {}, label), h("dd", {}, number(summary[name])))));
    endpoints.replaceChildren(byEndpoint(summary.by_endpoint));
    drawLimits();
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
