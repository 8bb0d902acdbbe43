// The control calls. With a token, each call carries it in a header; the browser forgets it with the tab.
import { h } from "./dom.js";

const BASE = "/_sandbox";
let asking = null;

/** Make a call, and give its JSON. Asks for the token when the sandbox has one. */
export async function call(path, { method = "GET", body } = {}) {
  const response = await open(path, { method, body: body && JSON.stringify(body) });
  const told = await response.json();
  if (!response.ok) throw new Error(told.message ?? "The sandbox refuses the values");
  return told;
}

/** Make a call, and give the response itself. */
export async function open(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem("token");
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(BASE + path, { ...options, headers });
    if (response.status !== 401) return response;
    // Many calls may fail at once, but the question is asked once.
    asking ??= askForToken(token !== null).finally(() => (asking = null));
    await asking;
  }
}

/** Call back with each state that the sandbox tells of; never ends. */
export async function follow(onState, onConnection) {
  for (;;) {
    try {
      const response = await open("/events");
      onConnection(true);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const messages = (rest + value).split("\n\n");
        rest = messages.pop();
        for (const message of messages) {
          if (message.startsWith("data: ")) onState(JSON.parse(message.slice(6)));
        }
      }
    } catch (error) {
      console.debug("The connection to the sandbox is lost", error);
    }
    onConnection(false);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function askForToken(wasWrong) {
  return new Promise((resolve) => {
    const input = h("input", { id: "token", type: "password", required: true, autocomplete: "off" });
    const form = h("form", {
      onsubmit: (event) => {
        event.preventDefault();
        sessionStorage.setItem("token", input.value);
        dialog.close();
        dialog.remove();
        resolve();
      },
    },
    h("h2", { id: "token-title" }, "This sandbox has a token"),
    h("p", {}, wasWrong ? "That was not the token. " : "", "It was given with --token when the sandbox was started."),
    h("label", { for: "token" }, "Token"),
    input,
    h("button", { type: "submit", class: "main" }, "Open"));
    const dialog = h("dialog", { "aria-labelledby": "token-title", oncancel: (event) => event.preventDefault() }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}
