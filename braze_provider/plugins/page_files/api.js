// The calls of this page. The browser sends Airflow's own cookie with them.

/** A refusal or a failure, with the code that the server may have given. */
class CallError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** Call a route of the plugin, and give its JSON. A body is sent with POST. */
export async function call(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Braze-Deliveries": "page" },
    body: JSON.stringify(body),
  };
  return read(await fetch(`api/${path}`, options));
}

/** Call a route of Airflow's REST API; null if it can't say. */
export async function askAirflow(path) {
  const response = await fetch(`../api/v2/${path}`);
  return response.ok ? response.json() : null;
}

/** The route of a delivery. */
export const routeOf = (dagId, id) => `dags/${encodeURIComponent(dagId)}/deliveries/${id}`;

async function read(response) {
  const text = await response.text();
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    // A proxy's page, or none at all.
  }
  if (response.ok) return told;
  const detail = told.detail ?? {};
  const messages = {
    401: "You are not logged in any more. Reload the page.",
    403: "Airflow does not let you do this.",
  };
  throw new CallError(detail.message ?? (typeof detail === "string" ? detail : messages[response.status]) ?? messages[response.status] ?? `The server answers ${response.status}`, detail.code);
}
