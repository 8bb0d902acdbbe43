// What a request, its outcome and its channels are called.
import { plural } from "./dom.js";

const CHANNELS = {
  android_push: "Android push", apple_push: "iOS push", content_card: "Content Card", email: "E-mail",
  kindle_push: "Kindle push", sms: "SMS", web_push: "Web push", webhook: "Webhook", whats_app: "WhatsApp",
  live_activity: "Live Activity",
};

export const channelName = (channel) => CHANNELS[channel] ?? channel;

/** What a request is called. */
export function titleOf(entry) {
  if (entry.campaign_id) return entry.campaign ?? `Campaign ${entry.campaign_id}`;
  if (entry.canvas_id) return entry.canvas ?? `Canvas ${entry.canvas_id}`;
  return entry.channels.length ? entry.channels.map(channelName).join(", ") : entry.endpoint;
}

/** What became of a request, as [text, class]. */
export function outcomeOf(entry) {
  if (!entry.ended) return ["under way", "wait"];
  if (entry.schedule && entry.status < 300) return [entry.schedule.state, entry.schedule.state === "sent" ? "good" : "wait"];
  if (entry.status === null) return ["no answer", "bad"];
  if (entry.status >= 400) return [String(entry.status), "bad"];
  return [entry.accepted ? "sent" : String(entry.status), "good"];
}

export const audienceOf = (entry) => (entry.broadcast ? "broadcast" : plural(entry.recipients, "recipient"));
