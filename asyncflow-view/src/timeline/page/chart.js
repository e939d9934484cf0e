// The chart: one row for each task, or lanes with several tasks.

// Without times the page has no chart. Then these elements are detached, so that the code below need
// not check for them.
const byIdOrDetached = (id) => byId(id) ?? element("div");
const view = byIdOrDetached("view"), chart = byIdOrDetached("chart"), spacer = byIdOrDetached("spacer"), tooltip = byIdOrDetached("tooltip");
const AXIS = 28;
const rowHeight = { rows: 24, lanes: 18 };
// The numbers of the selected task and of the one under the mouse.
const selection = { task: null, hovered: null };
let mode = wholeTasks.length > 80 ? "lanes" : "rows";
let matching = null; // the numbers of the tasks that match the search; null without a search
let rows = []; // the tasks in each row, sorted by begin
let rowOf = new Map();
let waitsDrawn = true;

// Assigns tasks to as few lanes as possible, from the given begin to their end. Returns null for more
// than 160 lanes, because every task searches them all, and nobody scrolls through so many.
function lanesOf(list, begin) {
  const ends = [], found = [];
  for (const task of [...list].sort((a, b) => begin(a) - begin(b) || a.number - b.number)) {
    let lane = ends.findIndex((end) => end <= begin(task));
    if (lane === -1) { lane = ends.length; found.push([]); if (lane > 160) return null; }
    ends[lane] = Math.max(task.end, begin(task) + 1);
    found[lane].push(task);
  }
  return found;
}

// Tasks with different names get different shades, so that neighbours in a lane can be told apart.
const shades = ["run", "run2", "run3"];
const shadeOf = new Map();
for (const task of tasks) {
  const stem = task.name.replace(/#?\d+/g, "");
  if (!shadeOf.has(stem)) shadeOf.set(stem, shadeOf.size % shades.length);
  task.shade = shadeOf.get(stem);
}

function arrange() {
  const shown = wholeTasks.filter((task) => task.begin !== null);
  if (mode === "rows") {
    const kept = matching === null ? shown : shown.filter((task) => matching.has(task.number));
    const unfolded = (task) => (task.inside !== null && task.inside.unfolded ? [task, ...task.inside.parts] : [task]);
    rows = kept.sort((a, b) => a.begin - b.begin || a.number - b.number).flatMap(unfolded).map((task) => [task]);
    waitsDrawn = true;
  } else {
    const started = shown.filter((task) => task.started !== null);
    const withWaits = lanesOf(started, (task) => task.ready ?? task.started);
    // Waiting is drawn in the lanes unless it would make many more of them.
    waitsDrawn = withWaits !== null && withWaits.length <= Math.max(24, 2 * run.lanes);
    rows = waitsDrawn ? withWaits : Array.from({ length: run.lanes }, () => []);
    if (!waitsDrawn) for (const task of started.sort((a, b) => a.started - b.started)) rows[task.lane].push(task);
  }
  byId("note").textContent = mode === "rows" ? "" : "Different shades mean different names."
    + (waitsDrawn ? "" : " Too many tasks wait to draw each of them in lanes. The hatched curve shows how many wait; Rows shows each.");
  rowOf = new Map(rows.flatMap((row, at) => row.map((task) => [task.number, at])));
  if (!rowOf.has(selection.task)) selection.hovered = null;
  resize();
}

function resize() {
  scale.width = view.clientWidth;
  const content = AXIS + rows.length * rowHeight[mode] + 10;
  const high = Math.max(120, Math.min(content, Math.max(260, innerHeight * 0.68)));
  view.style.height = high + 2 + "px";
  chart.style.height = high + "px";
  spacer.style.height = Math.max(0, content - high) + "px";
  draw();
}

let asked = false;
function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; drawChart(); drawMinimap(); });
}

function drawChart() {
  const width = scale.width, height = chart.clientHeight, top = view.scrollTop, step = rowHeight[mode];
  const context = prepare(chart, width, height);
  drawGrid(context, height);
  context.save();
  context.beginPath();
  context.rect(0, AXIS, width, height - AXIS);
  context.clip();
  const first = Math.max(0, Math.floor((top - AXIS) / step));
  const last = Math.min(rows.length - 1, Math.ceil((top + height - AXIS) / step));
  const yOf = (row) => AXIS + 4 + row * step - top;
  if (mode === "rows") drawCriticalLinks(context, yOf);
  for (let row = first; row <= last; row++) mode === "rows" ? drawRow(context, rows[row][0], yOf(row)) : drawLane(context, rows[row], yOf(row));
  drawLinks(context, yOf);
  for (const number of new Set([selection.hovered, selection.task])) if (rowOf.has(number)) outline(context, tasks[number], yOf(rowOf.get(number)));
  context.restore();
}

function drawGrid(context, height) {
  context.textAlign = "center";
  for (const [moment, text] of ticks()) {
    const x = Math.round(xOf(moment)) + 0.5;
    context.fillStyle = colours.line;
    context.fillRect(x - 0.5, AXIS - 4, 1, height);
    context.fillStyle = colours.muted;
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(Math.max(x, half + 4), scale.width - half - 4), AXIS / 2);
  }
}

const thickness = () => rowHeight[mode] - (mode === "rows" ? 9 : 3);
const dimmed = (task) => matching !== null && !matching.has((task.outer ?? task).number);

function drawWait(context, task, y) {
  for (const [begin, end] of task.waits) {
    const from = xOf(begin), wide = xOf(end) - from;
    if (wide < 1.5) continue;
    context.fillStyle = colours.hatch;
    context.fillRect(from, y + 2, wide, thickness() - 4);
    context.strokeStyle = colours.wait;
    context.lineWidth = 0.7;
    context.strokeRect(from + 0.5, y + 2.5, Math.max(0, wide - 1), thickness() - 5);
  }
}

function drawBar(context, task, y) {
  // A part of a task has a lower bar.
  const inset = task.outer === null ? 0 : 3;
  const from = xOf(task.started), wide = Math.max(1, xOf(task.end) - from), high = thickness() - 2 * inset;
  y += inset;
  context.fillStyle = colours[task.statusClass === "run" && mode === "lanes" ? shades[task.shade] : task.statusClass];
  if (task.inside === null || task.inside.levels.length === 0) {
    for (const [begin, end] of task.runs) {
      const left = xOf(begin), broad = Math.max(1, xOf(end) - left);
      context.fillRect(left, y, broad > 4 ? broad - 0.6 : broad, high);
    }
  }
  else drawBand(context, task.inside.levels, from, wide, y, high);
  if (task.statusClass === "failed" || task.statusClass === "panicked" || task.statusClass === "timedout") {
    // A notch, so that colour is not the only sign of a failure.
    context.fillStyle = colours.surface;
    context.fillRect(from, y + high / 2 - 1, Math.min(wide, 8), 2);
  }
  if (task.critical) {
    context.fillStyle = colours.text;
    context.fillRect(from, y + high - 2.5, wide, 2.5);
  }
}

// A bar in which the height of the curve is how many ran inside.
function drawBand(context, levels, from, wide, y, high) {
  const alpha = context.globalAlpha, step = wide / levels.length;
  context.globalAlpha = alpha * 0.35;
  context.fillRect(from, y, wide, high);
  context.globalAlpha = alpha;
  context.beginPath();
  context.moveTo(from, y + high);
  levels.forEach((level, at) => {
    const top = y + high * (1 - level / 100);
    context.lineTo(from + at * step, top);
    context.lineTo(from + (at + 1) * step, top);
  });
  context.lineTo(from + wide, y + high);
  context.fill();
}

function label(task) {
  let text = task.statusClass === "run" ? task.name : task.name + " — " + task.status;
  if (task.inside !== null) text = (mode === "rows" && task.inside.parts.length ? (task.inside.unfolded ? "▾ " : "▸ ") : "") + text + " · " + task.inside.summary;
  return task.note === "" ? text : text + " · " + task.note;
}

function drawRow(context, task, y) {
  const high = thickness(), middle = y + high / 2;
  const ready = xOf(task.ready ?? task.begin);
  context.strokeStyle = colours.wait;
  context.lineWidth = 1;
  context.globalAlpha = 0.6;
  context.setLineDash([1, 4]);
  context.beginPath();
  context.moveTo(xOf(0), middle);
  context.lineTo(ready - 4, middle);
  if (task.outer === null && ready - 4 > xOf(0)) context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
  drawWait(context, task, y);
  let end = xOf(task.end ?? task.begin);
  if (task.started === null) {
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(end, middle, 3.6, 0, 7);
    context.stroke();
    end += 4;
  } else {
    drawBar(context, task, y);
    end = Math.max(end, xOf(task.started) + 1);
  }
  // The label is beside the bar if there is room, otherwise on it.
  context.fillStyle = colours.text;
  const text = fit(context, label(task), scale.width * (task.inside === null ? 0.6 : 0.88)), wide = context.measureText(text).width;
  const begin = Math.min(ready, xOf(task.begin));
  if (end + 14 + wide < scale.width && end > -8) { context.textAlign = "left"; halo(context, text, Math.max(end + 8, 8), middle); }
  else if (begin - 8 - wide > 0) { context.textAlign = "right"; halo(context, text, Math.min(begin - 8, scale.width - 8), middle); }
  else { context.textAlign = "left"; context.fillText(text, Math.max(begin, 0) + 6, middle); }
}

// Draws text with an outline in the background colour, so that lines behind it do not cross it out.
function halo(context, text, x, y) {
  context.strokeStyle = colours.surface;
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}

function drawLane(context, lane, y) {
  const until = scale.to, high = thickness();
  // Finds the first task that may be visible.
  let at = 0, after = lane.length;
  while (at < after) { const middle = (at + after) >> 1; lane[middle].end < scale.from ? at = middle + 1 : after = middle; }
  let drawn = -1;
  for (; at < lane.length; at++) {
    const task = lane[at], begin = waitsDrawn ? task.ready ?? task.started : task.started;
    if (begin > until) break;
    const right = xOf(task.end);
    // Of several tasks on one pixel only the first is drawn, except for failed and critical ones.
    if (right < drawn && task.statusClass === "run" && !task.critical && matching === null) continue;
    context.globalAlpha = dimmed(task) ? 0.18 : 1;
    if (waitsDrawn) drawWait(context, task, y);
    drawBar(context, task, y);
    drawn = Math.floor(right) + 1;
    const left = Math.max(xOf(task.started), 0), room = Math.min(right, scale.width) - left - 10;
    if (room > 24) {
      context.textAlign = "left";
      context.fillStyle = colours.text;
      const text = fit(context, label(task), room);
      if (text.length > 2) context.fillText(text, left + 5, y + high / 2);
    }
    context.globalAlpha = 1;
  }
}

// Shortens a text to the given width.
function fit(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let fits = 0, tooLong = text.length;
  while (fits < tooLong - 1) { const middle = (fits + tooLong) >> 1; context.measureText(text.slice(0, middle) + "…").width <= room ? fits = middle : tooLong = middle; }
  return fits === 0 ? "" : text.slice(0, fits) + "…";
}

const criticalPath = tasks.filter((task) => task.critical).sort((a, b) => a.started - b.started);

function drawCriticalLinks(context, yOf) {
  context.strokeStyle = colours.text;
  context.lineWidth = 1.2;
  context.beginPath();
  for (let at = 1; at < criticalPath.length; at++) {
    const before = criticalPath[at - 1], task = criticalPath[at];
    if (!rowOf.has(before.number) || !rowOf.has(task.number)) continue;
    const from = yOf(rowOf.get(before.number)) + thickness(), to = yOf(rowOf.get(task.number)) + thickness() / 2;
    if (Math.max(from, to) < 0 || Math.min(from, to) > chart.clientHeight) continue;
    const x = xOf(before.end);
    context.moveTo(x, from);
    context.lineTo(x, to);
    context.lineTo(Math.max(x, xOf(task.ready ?? task.started)), to);
  }
  context.stroke();
}

// Links the hovered or selected task with its upstreams and downstreams.
function drawLinks(context, yOf) {
  const task = tasks[selection.hovered ?? selection.task];
  if (task === undefined || !rowOf.has(task.number)) return;
  context.strokeStyle = colours.focus;
  context.lineWidth = 1.2;
  context.globalAlpha = 0.75;
  const half = thickness() / 2;
  const link = (from, to) => {
    if (!rowOf.has(from.number) || !rowOf.has(to.number) || from.end === null) return;
    const x1 = xOf(from.end), y1 = yOf(rowOf.get(from.number)) + half, x2 = xOf(to.begin), y2 = yOf(rowOf.get(to.number)) + half;
    const bend = Math.min(60, Math.abs(x2 - x1) / 2);
    context.beginPath();
    context.moveTo(x1, y1);
    context.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
    context.stroke();
  };
  task.upstreams.slice(0, 60).forEach((upstream) => link(tasks[upstream], task));
  task.downstreams.slice(0, 60).forEach((downstream) => link(task, tasks[downstream]));
  context.globalAlpha = 1;
}

function outline(context, task, y) {
  if (!waitsDrawn) drawWait(context, task, y);
  const from = xOf(task.begin), to = Math.max(xOf(task.end ?? task.begin), from + 3);
  context.strokeStyle = colours.focus;
  context.lineWidth = task.number === selection.task ? 2.5 : 1.5;
  context.strokeRect(from - 2, y - 2, to - from + 4, thickness() + 4);
}

// The task at a point of the chart, or within so many pixels of it.
function taskAt(x, y, tolerance) {
  const row = rows[Math.floor((y - AXIS - 2 + view.scrollTop) / rowHeight[mode])];
  if (row === undefined || y < AXIS) return null;
  if (mode === "rows") return row[0];
  const distance = (task) => Math.max(xOf(waitsDrawn ? task.ready ?? task.started : task.started) - x, x - Math.max(xOf(task.end), xOf(task.started) + 1), 0);
  let best = null, least = tolerance;
  for (const task of row) { const far = distance(task); if (far <= least) { least = far; best = task; } }
  return best;
}
