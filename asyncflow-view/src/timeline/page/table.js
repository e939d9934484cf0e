// The table of all tasks.

const PAGE = 50;
const body = byId("rows");
const sorting = { key: null, descending: false };
let page = 0;
let listed = wholeTasks;
const columns = {
  name: (task) => task.name, status: (task) => task.status, ready: (task) => task.ready, permits: (task) => task.permits,
  thread: (task) => task.waited === null ? null : task.waited - task.permits, started: (task) => task.started, ran: (task) => task.ran, attempts: (task) => task.attempts,
};

function updateTable() {
  listed = matching === null ? [...wholeTasks] : wholeTasks.filter((task) => matching.has(task.number));
  if (sorting.key !== null) {
    const key = columns[sorting.key], direction = sorting.descending ? -1 : 1;
    listed.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      // Missing values come last in both directions.
      if (x === null || y === null) return (x === null) - (y === null) || a.number - b.number;
      return direction * (x < y ? -1 : x > y ? 1 : 0) || a.number - b.number;
    });
  }
  page = 0;
  fillTable();
}

function fillTable() {
  const pages = Math.max(1, Math.ceil(listed.length / PAGE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const shown = listed.slice(page * PAGE, (page + 1) * PAGE);
  body.replaceChildren(...shown.map((task) => {
    const row = element("tr");
    if (task.number === selection.task) row.className = "selected";
    const head = element("th", undefined, { scope: "row" });
    const button = element("button", task.name, { type: "button", dir: "auto" });
    button.addEventListener("click", () => { select(task, true); view.scrollIntoView({ block: "center" }); });
    head.append(button);
    if (task.critical) head.append(element("span", "critical path", { class: "tag" }));
    for (const remark of [task.inside?.summary, task.note]) if (remark) head.append(element("small", remark, { class: "remark" }));
    const status = element("td");
    status.append(swatch(task.statusClass), task.status);
    row.append(head, status);
    for (const key of ["ready", "permits", "thread", "started", "ran"]) if (run.timed) row.append(element("td", duration(columns[key](task))));
    row.append(element("td", task.attempts));
    return row;
  }));
  const from = shown.length === 0 ? 0 : page * PAGE + 1;
  byId("where").textContent = number(from) + "–" + number(page * PAGE + shown.length) + " of " + number(listed.length);
  byId("previous").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
  byId("pages").hidden = pages === 1;
}

function swatch(statusClass) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), shape = document.createElementNS(space, "rect");
  svg.setAttribute("class", "dot");
  svg.setAttribute("aria-hidden", "true");
  for (const [key, value] of [["class", "s-" + statusClass], ["width", 11], ["height", 11], ["rx", 2]]) shape.setAttribute(key, value);
  svg.append(shape);
  return svg;
}

byId("previous").addEventListener("click", () => { page -= 1; fillTable(); });
byId("next").addEventListener("click", () => { page += 1; fillTable(); });
for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => {
  const key = button.dataset.key;
  // The first click sorts durations from the longest; names, statuses and moments in ascending order.
  const first = !["name", "status", "ready", "started"].includes(key);
  sorting.descending = sorting.key === key ? !sorting.descending : first;
  sorting.key = key;
  for (const head of document.querySelectorAll("thead th")) head.removeAttribute("aria-sort");
  button.parentElement.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
  updateTable();
});
