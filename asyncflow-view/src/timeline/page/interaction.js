// Mouse, touch and keyboard input on the chart.

// Where each pressed pointer is; two of them zoom. A pointer that moved at most 5 pixels clicks.
const pointers = new Map();
let moved = 0;

view.addEventListener("scroll", () => { hideTooltip(); draw(); }, { passive: true });
view.addEventListener("wheel", (event) => {
  if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY * 0.006), event.offsetX);
  else if (event.shiftKey && event.deltaX === 0) pan(event.deltaY);
  else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX);
  else return;
  event.preventDefault();
  hideTooltip();
  draw();
}, { passive: false });

chart.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  moved = 0;
  hideTooltip();
});
chart.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (before === undefined) return hover(event);
  const now = [event.offsetX, event.offsetY];
  moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
  if (pointers.size === 2) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const apart = (point) => Math.max(20, Math.abs(point[0] - other[0]));
    zoom(apart(now) / apart(before), (now[0] + other[0]) / 2);
    pan((before[0] - now[0]) / 2);
  } else if (moved > 5) {
    chart.setPointerCapture(event.pointerId);
    pan(before[0] - now[0]);
    if (event.pointerType === "mouse") view.scrollTop += before[1] - now[1];
  }
  pointers.set(event.pointerId, now);
  draw();
});
for (const end of ["pointerup", "pointercancel", "pointerleave"]) chart.addEventListener(end, (event) => {
  const pressed = pointers.delete(event.pointerId);
  if (end === "pointerup" && pressed && moved <= 5) {
    const task = taskAt(event.offsetX, event.offsetY, event.pointerType === "mouse" ? 3 : 16);
    if (mode === "rows" && task !== null) unfold(task);
    select(task);
  }
  if (end === "pointerleave") { selection.hovered = null; hideTooltip(); draw(); }
});
chart.addEventListener("dblclick", (event) => { zoom(3, event.offsetX); draw(); });

function hover(event) {
  if (event.pointerType !== "mouse") return;
  const task = taskAt(event.offsetX, event.offsetY, 3);
  const number = task === null ? null : task.number;
  if (selection.hovered !== number) { selection.hovered = number; draw(); }
  if (task === null) return hideTooltip();
  tooltip.hidden = false;
  tooltip.replaceChildren(element("b", task.name), element("br"), summary(task).slice(task.name.length + 2));
  const left = Math.min(event.clientX + 14, innerWidth - tooltip.offsetWidth - 8);
  const below = event.clientY + 18, above = event.clientY - tooltip.offsetHeight - 12;
  tooltip.style.left = Math.max(8, left) + "px";
  tooltip.style.top = (below + tooltip.offsetHeight > innerHeight ? above : below) + "px";
}
function hideTooltip() { tooltip.hidden = true; }

// Left and right move by time, up and down by rows.
view.addEventListener("keydown", (event) => {
  const order = rows.flat().filter((task) => !dimmed(task));
  if (order.length === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const byTime = () => [...order].sort((a, b) => a.begin - b.begin || a.number - b.number);
  const step = (list, by) => {
    const at = list.findIndex((task) => task.number === selection.task);
    return at === -1 ? list[0] : list[Math.min(Math.max(at + by, 0), list.length - 1)];
  };
  const beside = (by) => {
    if (mode === "rows" || !rowOf.has(selection.task)) return step(order, by);
    // In lanes, moves to the task in the next lane that is nearest in time.
    const task = tasks[selection.task], lane = rows[rowOf.get(selection.task) + by];
    const near = (one) => Math.abs(one.begin - task.begin);
    return lane === undefined ? task : lane.reduce((best, one) => near(one) < near(best) ? one : best, lane[0]) ?? task;
  };
  const keys = {
    ArrowDown: () => beside(1), ArrowUp: () => beside(-1), ArrowRight: () => step(byTime(), 1), ArrowLeft: () => step(byTime(), -1),
    PageDown: () => step(order, 10), PageUp: () => step(order, -10), Home: () => byTime()[0], End: () => byTime().at(-1),
  };
  if (keys[event.key]) select(keys[event.key](), true);
  else if (event.key === "+" || event.key === "=") zoomAtSelection(2);
  else if (event.key === "-") zoomAtSelection(0.5);
  else if (event.key === "0") fitAll();
  else if (event.key === " " && selection.task !== null) { unfold(tasks[selection.task]); select(tasks[selection.task], true); }
  else if (event.key === "Enter" && selection.task !== null) byId("details").focus();
  else if (event.key === "Escape") select(null);
  else return;
  event.preventDefault();
});

function zoomAtSelection(factor) {
  const task = tasks[selection.task];
  zoom(factor, task === undefined ? undefined : Math.min(Math.max(xOf((task.begin + task.end) / 2), 0), scale.width));
  draw();
}
// Shows the elements of a task, or the tasks of runs inside of it, below it, or hides them.
function unfold(task) {
  if (task.inside === null || task.inside.parts.length === 0) return;
  task.inside.unfolded = mode !== "rows" || !task.inside.unfolded;
  show("rows");
}
function fitAll() { setRange(0, runLength); draw(); }

// Scrolls and pans until a task is visible.
function reveal(task) {
  if (!rowOf.has(task.number)) return;
  const y = AXIS + rowOf.get(task.number) * rowHeight[mode], high = chart.clientHeight;
  if (y - AXIS < view.scrollTop) view.scrollTop = y - AXIS;
  else if (y + rowHeight[mode] + 8 > view.scrollTop + high) view.scrollTop = y + rowHeight[mode] + 8 - high;
  if (task.begin > scale.to || (task.end ?? task.begin) < scale.from) {
    const half = (scale.to - scale.from) / 2;
    setRange(task.begin - half, task.begin + half);
  }
}
