// A message as its recipient would see it. Each channel has a function; texts come with their marked parts.
import { h } from "./dom.js";
import { channelName } from "./names.js";

const isText = (value) => value !== null && typeof value === "object" && typeof value.text === "string" && Array.isArray(value.marks);

/** A rendered text, with the parts that could not be rendered marked. */
function text(value) {
  if (!isText(value)) return value === undefined || value === null ? null : [String(value)];
  const pieces = [];
  let at = 0;
  for (const mark of value.marks) {
    // Positions count code points, as Python does.
    pieces.push(slice(value.text, at, mark.start));
    pieces.push(h("mark", { title: `Shown as it is: ${mark.why}` }, slice(value.text, mark.start, mark.end)));
    at = mark.end;
  }
  pieces.push(slice(value.text, at));
  return pieces;
}

const slice = (whole, from, to) => (/[\ud800-\udfff]/.test(whole) ? Array.from(whole).slice(from, to).join("") : whole.slice(from, to));
const plain = (value) => (isText(value) ? value.text : value);
const line = (name, value) => (value ? [h("dt", {}, name), h("dd", {}, text(value))] : []);
const picture = (address) => address && h("p", { class: "picture" }, "Picture: ", text(address));
const phone = (label, ...content) => h("figure", { class: "phone", "aria-label": label }, h("div", { class: "screen" }, content));

// Everything of a message that its picture does not show.
function rest(message, ...shown) {
  const left = Object.entries(message).filter(([name]) => !shown.includes(name));
  return left.length > 0 && h("details", {}, h("summary", {}, "More fields"), tree(Object.fromEntries(left)));
}

function tree(value) {
  if (isText(value)) return h("span", {}, text(value));
  if (Array.isArray(value)) return h("ol", { class: "tree" }, value.map((each) => h("li", {}, tree(each))));
  if (value !== null && typeof value === "object") {
    return h("dl", { class: "facts" }, Object.entries(value).map(([name, each]) => [h("dt", {}, name), h("dd", {}, tree(each))]));
  }
  return h("span", {}, String(value));
}

function email(message, { frame, recipient, remote, onRemote }) {
  const box = h("div", { class: "frame" });
  if (frame) {
    // No script, no form, no way out: the frame has an origin of its own, and its address a policy.
    box.append(h("iframe", { sandbox: "", src: `/_sandbox/frames/${frame}`, title: `E-mail as ${recipient || "a recipient"} sees it`, referrerpolicy: "no-referrer" }));
  }
  const pictures = h("input", { type: "checkbox", name: "remote", onchange: (event) => onRemote(event.target.checked) });
  pictures.checked = remote;
  const narrow = h("input", { type: "checkbox", onchange: (event) => box.classList.toggle("narrow", event.target.checked) });
  return [
    h("dl", { class: "envelope" }, line("From", message.from), line("Subject", message.subject), line("Preheader", message.preheader), line("Reply to", message.reply_to)),
    frame && h("p", { class: "switches" },
      h("label", {}, pictures, " Load pictures and styles from elsewhere"),
      h("label", {}, narrow, " As wide as a phone")),
    frame ? box : h("p", { class: "note" }, "Braze keeps the content of this e-mail in a template", message.email_template_id ? [": ", text(message.email_template_id)] : "", "."),
    rest(message, "from", "subject", "preheader", "reply_to", "body"),
  ];
}

function push(message, { channel }) {
  const alert = isText(message.alert) || !message.alert ? { body: message.alert } : message.alert;
  const title = message.title ?? alert.title;
  const buttons = (message.buttons ?? []).map((button) => plain(button.text ?? button.action_id)).filter(Boolean);
  const silent = !alert.body && !title;
  return [
    phone(`${channelName(channel)} on a phone`,
      h("p", { class: "hour", "aria-hidden": "true" }, "9:41"),
      silent ? h("p", { class: "quiet" }, "A silent push: nothing is shown.")
        : h("div", { class: "notification" },
          h("p", { class: "app" }, "YOUR APP", h("span", {}, "now")),
          title && h("p", { class: "subject" }, text(title)),
          h("p", {}, text(alert.body)),
          picture(message.asset_url ?? message.push_icon_image_url ?? message.image_url ?? message.large_image_url),
          buttons.length > 0 && h("p", { class: "choices" }, buttons.map((button) => h("span", {}, button))))),
    rest(message, "alert", "title"),
  ];
}

function sms(message) {
  return [
    phone("SMS on a phone", h("p", { class: "sender" }, "Your brand"), h("p", { class: "bubble" }, text(message.body)),
      (message.media_items ?? []).map((item) => h("p", { class: "bubble" }, h("small", {}, "Media"), tree(item)))),
    rest(message, "body"),
  ];
}

function whatsApp(message) {
  const inside = message.message ?? {};
  const body = inside.body;
  const buttons = [...(inside.buttons ?? []).map((button) => button.text), inside.list?.list_button_text, inside.flow_button?.caption].filter(Boolean);
  const isTemplate = plain(message.message_type) === "template_message";
  const known = ["body", "header", "header_text", "footer", "buttons", "image_uri", "caption"];
  return [
    phone("WhatsApp on a phone", h("p", { class: "sender" }, "Your brand"),
      h("div", { class: "bubble chat" },
        (inside.header || inside.header_text) && h("p", { class: "subject" }, text(inside.header ?? inside.header_text)),
        picture(inside.image_uri ?? inside.header_media_uri),
        isTemplate && h("p", {}, "Template ", h("strong", {}, text(inside.template_name)), " (", text(inside.template_language_code), ")"),
        body && h("p", {}, text(body)), inside.caption && h("p", {}, text(inside.caption)),
        inside.footer && h("p", { class: "quiet" }, text(inside.footer))),
      buttons.length > 0 && h("p", { class: "choices" }, buttons.map((button) => h("span", {}, text(button))))),
    Object.keys(inside).some((name) => !known.includes(name)) && h("div", { class: "structure" }, tree(Object.fromEntries(Object.entries(inside).filter(([name]) => !known.includes(name))))),
    rest(message, "message"),
  ];
}

function contentCard(message) {
  const link = message.uri_text ?? message.web_uri ?? message.ios_uri ?? message.android_uri;
  return [
    h("div", { class: "content-card" }, picture(message.image_url),
      message.title && h("p", { class: "subject" }, text(message.title), message.pinned === true && h("span", { class: "pill" }, "pinned")),
      message.description && h("p", {}, text(message.description)),
      link && h("p", { class: "link" }, text(link))),
    rest(message, "title", "description", "image_url"),
  ];
}

function liveActivity(message) {
  const { alert } = message.notification ?? {};
  return [
    phone("Live Activity on a phone",
      h("p", { class: "hour", "aria-hidden": "true" }, "9:41"),
      h("div", { class: "notification" },
        h("p", { class: "app" }, "YOUR APP", h("span", {}, "live")),
        alert && h("p", { class: "subject" }, text(alert.title)),
        alert && h("p", {}, text(alert.body)),
        tree(message.content_state))),
    rest(message, "content_state", "notification"),
  ];
}

function webhook(message) {
  return [
    h("p", { class: "request-line" }, h("strong", {}, plain(message.request_method)), " ", h("span", {}, text(message.url))),
    message.request_headers && tree(message.request_headers),
    message.body !== undefined && h("pre", { tabindex: "0", role: "region", "aria-label": "Body of the webhook" }, isText(message.body) ? text(message.body) : JSON.stringify(message.body, null, 2)),
    rest(message, "request_method", "url", "request_headers", "body"),
  ];
}

const CARDS = {
  email, sms, webhook, whats_app: whatsApp, content_card: contentCard,
  live_activity: liveActivity, apple_push: push, android_push: push, kindle_push: push, web_push: push,
};

/** A message of one channel. */
export function messageCard({ channel, message, frame, aborted }, recipient, options) {
  const content = aborted !== undefined
    ? h("p", { class: "note bad" }, `The message stops itself, and this recipient gets nothing: ${aborted}`)
    : (CARDS[channel] ?? ((value) => tree(value)))(message, { channel, frame, recipient, ...options });
  return h("article", { class: `message ${channel}` }, h("h4", {}, channelName(channel)), content);
}
