// Elements are made here, and texts are only ever texts: nothing from the ledger becomes HTML of this page.

/** Make an element: h("a", { href: "./", class: "x", onclick: f }, "text", child, …). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const number = (value) => Number(value).toLocaleString("en");

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** Tell the user, also one who listens, what has happened. */
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  said.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => said.classList.remove("shown"), 6000);
}

/** A part of the page that is drawn anew only when what it shows has changed. Returns what shows something. */
export function part(element, draw) {
  let shown;
  return (...what) => {
    const text = JSON.stringify(what);
    if (text === shown) return;
    shown = text;
    const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    element.replaceChildren(...[draw(...what)].flat(Infinity).filter(Boolean));
    if (focused) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  };
}

/** A table with a heading for each column. The cells say their heading again where the table is too narrow. */
export function table(label, headings, rows) {
  return h("table", { "aria-label": label, role: "table" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
      headings.map((heading) => h("th", { role: "columnheader", scope: "col" }, heading)))),
    h("tbody", { role: "rowgroup" }, rows.map((cells) => h("tr", { role: "row" },
      cells.map((cell, place) => h("td", { role: "cell", "data-heading": typeof headings[place] === "string" ? headings[place] : "" }, cell))))));
}

/** Call again and again while the page can be seen and there is something to wait for. */
export function keepLooking(look, isNeeded, seconds = 3) {
  const again = async () => {
    if (document.visibilityState === "visible" && isNeeded()) await look().catch((error) => say(error.message));
    setTimeout(again, seconds * 1000);
  };
  setTimeout(again, seconds * 1000);
  // Who comes back to the page sees what has become of everything meanwhile.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") look().catch((error) => say(error.message));
  });
}
