// What this page takes over from the Airflow around it: the theme, the time zone and the way to other pages.

const around = parent !== window ? parent : null;

// The colours of this page that Airflow has a variable for. Its themes, also one of the user's own, set them.
const COLOURS = { back: "bg", text: "fg", quiet: "fg-muted", line: "border", soft: "bg-muted" };

/** Follow Airflow's theme, which is a class of its page; without Airflow around, the browser's. */
export function followTheme() {
  const page = around?.document.documentElement;
  if (!page) return;
  const apply = () => {
    const own = document.documentElement;
    const theme = ["dark", "light"].find((name) => page.classList.contains(name));
    if (theme) own.dataset.theme = theme;
    const given = around.getComputedStyle(page);
    for (const [name, variable] of Object.entries(COLOURS)) {
      own.style.setProperty(`--${name}`, given.getPropertyValue(`--chakra-colors-${variable}`));
    }
  };
  apply();
  new MutationObserver(apply).observe(page, { attributeFilter: ["class", "style"] });
}

/** A time in the time zone that the user has chosen in Airflow. */
export function when(iso) {
  const stored = localStorage.getItem("timezone")?.replaceAll('"', "");
  const options = { dateStyle: "short", timeStyle: "medium" };
  try {
    return new Intl.DateTimeFormat("sv-SE", { ...options, timeZone: stored || undefined }).format(new Date(iso));
  } catch {
    return new Intl.DateTimeFormat("sv-SE", { ...options, timeZone: "UTC" }).format(new Date(iso));
  }
}

/** The address of a page of Airflow's UI. */
export const airflowPage = (...parts) => new URL(`../${parts.map(encodeURIComponent).join("/")}`, document.baseURI).href;

/** The address of a task instance's page, which begins with its log. */
export function taskPage(one) {
  const mapped = one.map_index < 0 ? [] : ["mapped", String(one.map_index)];
  return airflowPage("dags", one.dag_id, "runs", one.run_id, "tasks", one.task_id, ...mapped);
}

/**
 * Open a page outside of this frame. The frame may not do so: Airflow's UI has locked it in. A link of the
 * page around it may, and keeps what the user wanted (a new tab, for example).
 */
export function openOutside(event) {
  if (!around) return;
  event.preventDefault();
  const link = around.document.createElement("a");
  link.href = event.currentTarget.href;
  link.target = event.currentTarget.target;
  link.rel = "noopener noreferrer";
  const { ctrlKey, metaKey, shiftKey } = event;
  around.document.body.append(link);
  link.dispatchEvent(new around.MouseEvent("click", { ctrlKey, metaKey, shiftKey, bubbles: true, cancelable: true }));
  link.remove();
}
