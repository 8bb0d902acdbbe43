// Which view is shown: ?dag_id=…&delivery=… is one delivery, everything else the list.
import { followTheme } from "./airflow.js";
import { showDelivery } from "./detail.js";
import { h, say } from "./dom.js";
import { showList } from "./list.js";

const main = document.getElementById("main");

const SETTING = "[braze]\ndeliveries_conn_id = my_ledger";

function explain(error) {
  if (error.code === "not_configured") {
    return [
      h("h1", {}, "Braze deliveries"),
      h("div", { class: "box" },
        h("p", {}, "This page shows the deliveries in a SQL ledger, and no ledger is configured. Name the connection that your tasks use as ",
          h("code", {}, "ledger_conn_id"), " in Airflow's configuration (or in ", h("code", {}, "AIRFLOW__BRAZE__DELIVERIES_CONN_ID"), "), and restart the API server:"),
        h("pre", {}, SETTING)),
    ];
  }
  return [
    h("p", { class: "back" }, h("a", { href: "./" }, "← All deliveries")),
    h("div", { class: "box bad", role: "alert" }, h("p", {}, error.message)),
  ];
}

addEventListener("unhandledrejection", (event) => say(event.reason?.message ?? "Something went wrong"));
followTheme();
const asked = new URLSearchParams(location.search);
const shown = asked.has("delivery") ? showDelivery(main, asked.get("dag_id") ?? "", asked.get("delivery")) : showList(main);
shown.catch((error) => main.replaceChildren(...explain(error)));
