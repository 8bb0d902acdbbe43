// What to do about recipients in doubt: what it means, where to look it up, and the two buttons.
import { openOutside, taskPage, when } from "./airflow.js";
import { call } from "./api.js";
import { h, number, part, plural, say } from "./dom.js";
import { countOf } from "./figures.js";

const SHOWN = 100;
const CHOICES = {
  sent: {
    button: "Take for sent",
    question: (count) => `Take ${countOf(count)} for sent?`,
    follows: "Nothing is sent to them any more. When you clear the task, its next try goes on with the rest.",
    done: (count) => `${countOf(count)} are taken for sent. Now clear the task.`,
  },
  resend: {
    button: "Send again",
    question: (count) => `Send to ${countOf(count)} again?`,
    follows: "When you clear the task, its next try sends to them. Who has the message already gets it twice.",
    done: (count) => `${countOf(count)} are sent to again when you clear the task.`,
  },
};

/** Ask before a decision. Resolves with whether the user is sure. */
function ask(choice, count, batches) {
  return new Promise((resolve) => {
    const close = (sure) => () => { dialog.close(); dialog.remove(); resolve(sure); };
    const dialog = h("dialog", { "aria-labelledby": "question", "aria-describedby": "follows", oncancel: close(false) },
      h("h2", { id: "question" }, choice.question(count)),
      h("div", { id: "follows" },
        h("p", {}, `This is about ${plural(batches, "batch", "batches")} with ${countOf(count)}.`),
        h("p", {}, choice.follows),
        h("p", {}, "The decision is recorded with your name, and can't be taken back.")),
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: close(false) }, "Cancel"),
        h("button", { type: "button", class: "main", onclick: close(true) }, choice.button)));
    document.body.append(dialog);
    dialog.showModal();
  });
}

const outside = (href, label, target) => h("a", { href, target, onclick: openOutside, "data-key": label }, label);

/** Show what is to be decided. Returns what is called with each new state of the delivery. */
export function showDecision(element, route, onDecided) {
  const chosen = new Set();
  let batches = [];
  let known = null;

  const draw = part(element, (one, links, list) => {
    const { in_doubt: count } = one.recipients;
    if (one.state === "open" && !one.batches.in_doubt && one.decisions.length) {
      return h("div", { class: "box" },
        h("p", {}, h("strong", {}, "Nothing is in doubt any more. "), "Clear the ", outside(taskPage(one), "task"), ": its next try goes on as decided."));
    }
    if (!one.batches.in_doubt) return null;
    if (one.state === "running") {
      return h("div", { class: "box" },
        h("p", {}, h("strong", {}, `${countOf(count)} are in doubt. `), "The task is running, so it is too early to decide. Come back when it has ended."));
    }
    return h("div", { class: "box wait" },
      h("h2", {}, count ? `${countOf(count)} are in doubt` : "A broadcast is in doubt"),
      h("p", {}, "Braze may have taken the requests for them, but no answer says so. They are held: nothing is sent again until a person decides."),
      h("ol", {},
        h("li", {}, "Look it up in Braze, at the time below. The profiles of a few recipients say whether the message has arrived. Errors are in the ", messageLog(links), "."),
        h("li", {}, "Decide here. If Braze has sent to them, take them for sent. If not, send again."),
        h("li", {}, "Clear the ", outside(taskPage(one), "task"), " in Airflow. Its next try goes on accordingly.")),
      list.length > 1 || one.batches.in_doubt > 1 ? choices(one, list) : single(list),
      one.may_settle
        ? h("div", { class: "buttons" }, summary(one, list),
          Object.entries(CHOICES).map(([decision, choice]) =>
            h("button", { type: "button", class: "main", "data-key": decision, onclick: () => settle(decision, choice) }, choice.button)))
        : h("p", {}, h("strong", {}, "You may not decide: "), "it takes the right to clear the task in Airflow."));
  });

  const messageLog = (links) => {
    const found = links.find(([name]) => name === "Braze Message Activity Log");
    return found ? outside(found[1], "Message Activity Log", "_blank") : "Message Activity Log";
  };

  const single = (list) => list.length ? h("p", { class: "quiet" }, `Batch ${number(list[0].number)}, in doubt since ${when(list[0].noted_at)}.`) : null;

  function choices(one, list) {
    return h("fieldset", {},
      h("legend", {}, "To decide about some of the batches alone, choose them"),
      h("div", { class: "choices" }, list.map((batch) => h("label", {},
        h("input", {
          type: "checkbox", checked: chosen.has(batch.number), "data-key": `batch-${batch.number}`,
          onchange: (event) => { chosen[event.target.checked ? "add" : "delete"](batch.number); again(); },
        }),
        `Batch ${number(batch.number)}: ${countOf(batch.recipients)}, since ${when(batch.noted_at)}`))),
      one.batches.in_doubt > list.length
        ? h("p", { class: "quiet" }, `These are the first ${number(list.length)} of ${number(one.batches.in_doubt)} batches.`) : null);
  }

  /** What the buttons are about: [batches, recipients]. */
  function scope(one, list) {
    if (!chosen.size) return [one.batches.in_doubt, one.recipients.in_doubt];
    const some = list.filter((batch) => chosen.has(batch.number));
    return [some.length, some.reduce((sum, batch) => sum + batch.recipients, 0)];
  }

  function summary(one, list) {
    const [count, recipients] = scope(one, list);
    const which = chosen.size ? `the ${plural(count, "chosen batch", "chosen batches")}` : count === 1 ? "the batch" : `all ${number(count)} batches`;
    return h("span", { class: "scope", role: "status" }, `Decide about ${which} (${countOf(recipients)}):`);
  }

  async function settle(decision, choice) {
    const [count, recipients] = scope(known.one, batches);
    if (!await ask(choice, recipients, count)) return;
    try {
      const settled = await call(`${route}/settle`, { decision, recipients, batches: [...chosen] });
      chosen.clear();
      say(choice.done(settled.recipients));
    } catch (error) {
      say(`Nothing was decided: ${error.message}`);
    }
    await onDecided();
  }

  const again = () => draw(known.one, known.links, batches, [...chosen]);

  return async (one, links) => {
    known = { one, links };
    if (one.state !== "running" && one.batches.in_doubt) {
      batches = (await call(`${route}/batches?state=in_doubt&limit=${SHOWN}`)).batches;
      const numbers = new Set(batches.map((batch) => batch.number));
      for (const number of chosen) if (!numbers.has(number)) chosen.delete(number);
    } else {
      batches = [];
    }
    again();
  };
}
