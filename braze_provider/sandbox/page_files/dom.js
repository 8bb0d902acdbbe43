// Elements are made here, and texts are only ever texts: nothing that was received becomes HTML of this page.

/** Make an element: h("a", { href: "#/", class: "x", onclick: f }, "text", child, …). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, properties, children);
  return element;
}

/** Make an element of a drawing. */
export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, properties, children);
  return element;
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

export const number = (value) => Number(value).toLocaleString("en");

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** A time in UTC, as Airflow and Braze show times; the date only if it is not today. */
export function when(seconds) {
  const [date, clock] = new Date(seconds * 1000).toISOString().slice(0, 19).split("T");
  return date === new Date().toISOString().slice(0, 10) ? clock : `${date} ${clock}`;
}

/** Tell the user, also one who listens, what has happened. */
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  said.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => said.classList.remove("shown"), 4000);
}

/** A button that copies a text. */
export function copyButton(label, text) {
  return h("button", {
    type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(await text());
        say("Copied");
      } catch (error) {
        say(`Not copied: ${error.message}`);
      }
    },
  }, label);
}

/** Text that may be longer than its box: it scrolls, with the keyboard too. */
export const scrolling = (label, text) =>
  h("pre", { tabindex: "0", role: "region", "aria-label": label }, text);

export const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};
