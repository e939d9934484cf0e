// The table of all tasks: the same as the chart, in words.

const PAGE = 50;
const body = byId("rows");
const sorting = { key: null, down: false };
let page = 0;
let listed = tasks;
const keys = {
  name: (task) => task.name, status: (task) => task.status, ready: (task) => task.ready, permits: (task) => task.permits,
  thread: (task) => task.waited === null ? null : task.waited - task.permits, started: (task) => task.started, ran: (task) => task.ran, tries: (task) => task.tries,
};

function list() {
  listed = matching === null ? [...tasks] : tasks.filter((task) => matching.has(task.number));
  if (sorting.key !== null) {
    const key = keys[sorting.key], sign = sorting.down ? -1 : 1;
    listed.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      // What did not happen comes last, whichever way.
      if (x === null || y === null) return (x === null) - (y === null) || a.number - b.number;
      return sign * (x < y ? -1 : x > y ? 1 : 0) || a.number - b.number;
    });
  }
  page = 0;
  fill();
}

function fill() {
  const pages = Math.max(1, Math.ceil(listed.length / PAGE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const shown = listed.slice(page * PAGE, (page + 1) * PAGE);
  body.replaceChildren(...shown.map((task) => {
    const row = element("tr");
    if (task.number === chosen.task) row.className = "chosen";
    const head = element("th", undefined, { scope: "row" });
    const button = element("button", task.name, { type: "button", dir: "auto" });
    button.addEventListener("click", () => { choose(task, true); view.scrollIntoView({ block: "center" }); });
    head.append(button);
    if (task.critical) head.append(element("span", "critical path", { class: "tag" }));
    const status = element("td");
    status.append(sign(task.look), task.status);
    row.append(head, status);
    for (const key of ["ready", "permits", "thread", "started", "ran"]) if (run.timed) row.append(element("td", duration(keys[key](task))));
    row.append(element("td", task.tries));
    return row;
  }));
  const from = shown.length === 0 ? 0 : page * PAGE + 1;
  byId("where").textContent = number(from) + "–" + number(page * PAGE + shown.length) + " of " + number(listed.length);
  byId("earlier").disabled = page === 0;
  byId("later").disabled = page === pages - 1;
  byId("pages").hidden = pages === 1;
}

function sign(look) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), shape = document.createElementNS(space, "rect");
  svg.setAttribute("class", "dot");
  svg.setAttribute("aria-hidden", "true");
  for (const [key, value] of [["class", "s-" + look], ["width", 11], ["height", 11], ["rx", 2]]) shape.setAttribute(key, value);
  svg.append(shape);
  return svg;
}

byId("earlier").addEventListener("click", () => { page -= 1; fill(); });
byId("later").addEventListener("click", () => { page += 1; fill(); });
for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => {
  const key = button.dataset.key;
  // Numbers are first wanted from the largest, names from the first.
  const first = !["name", "status", "ready", "started"].includes(key);
  sorting.down = sorting.key === key ? !sorting.down : first;
  sorting.key = key;
  for (const head of document.querySelectorAll("thead th")) head.removeAttribute("aria-sort");
  button.parentElement.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
  list();
});
