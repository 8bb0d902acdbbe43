// Which page is shown, and what all pages share: the connection, the clock and the latest state.
import { follow } from "./api.js";
import { plural, say } from "./dom.js";
import { isArmed, showControls } from "./controls.js";
import { showCatalogs } from "./catalogs.js";
import { showInbox } from "./list.js";
import { showProfiles } from "./profiles.js";

const main = document.getElementById("main");
const pages = { inbox: showInbox, controls: showControls, profiles: showProfiles, catalogs: showCatalogs };
/** The latest state, and what a page does when it changes. */
const live = { state: null, onChange: () => {} };
let shown = null;

// #/send/12?recipient=ada is a place in the inbox.
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, number] = path.split("/");
  const page = first in pages ? first : "inbox";
  return { page, number: first === "send" ? Number(number) : null, query: new URLSearchParams(query) };
}

function go() {
  if (location.hash && !location.hash.startsWith("#/")) return; // the link that skips to the content
  const to = place();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === to.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown?.page !== to.page) {
    live.onChange = () => {};
    main.replaceChildren();
    shown = { page: to.page, move: pages[to.page](main, live) };
  }
  shown.move?.(to);
}

function tick() {
  if (!live.state) return;
  const time = new Date(Date.now() + live.state.ahead * 1000);
  const clock = document.getElementById("clock");
  clock.dateTime = time.toISOString();
  clock.textContent = `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  clock.title = live.state.ahead ? "The sandbox's clock was moved" : "The sandbox's clock";
  clock.classList.toggle("moved", live.state.ahead !== 0);
}

function receive(state) {
  live.state = state;
  const on = document.getElementById("faults-on");
  const armed = state.faults.filter(isArmed).length;
  on.hidden = armed === 0;
  on.textContent = `${plural(armed, "fault")} on`;
  tick();
  live.onChange(state);
}

function connected(yes) {
  const state = document.getElementById("state");
  const text = yes ? "live" : "not connected";
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("on", yes);
}

addEventListener("hashchange", go);
addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing) {
    const search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
addEventListener("unhandledrejection", (event) => say(event.reason?.message ?? "Something went wrong"));
setInterval(tick, 1000);
go();
follow(receive, connected);
