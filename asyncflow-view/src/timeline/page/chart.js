// The chart: one row for each task, or lanes that tasks share.

// Without times there is no chart in the page, and these are nowhere in it.
const part = (id) => byId(id) ?? element("div");
const view = part("view"), chart = part("chart"), tall = part("tall"), tip = part("tip");
const AXIS = 28;
const rowHeight = { rows: 24, lanes: 18 };
const chosen = { task: null, over: null };
let mode = tasks.length > 80 ? "lanes" : "rows";
let matching = null; // the numbers of the tasks that are searched for; null if none is
let rows = []; // what is in each row, by begin
let rowOf = new Map();
let waitsDrawn = true;

// In lanes, what waits has its place beside what runs, as long as that does not make many more.
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

// Tasks of different names have different shades, where they stand beside each other.
const shades = ["run", "run2", "run3"];
const shadeOf = new Map();
for (const task of tasks) {
  const stem = task.name.replace(/#?\d+/g, "");
  if (!shadeOf.has(stem)) shadeOf.set(stem, shadeOf.size % shades.length);
  task.shade = shadeOf.get(stem);
}

function arrange() {
  const shown = tasks.filter((task) => task.begin !== null);
  if (mode === "rows") {
    const kept = matching === null ? shown : shown.filter((task) => matching.has(task.number));
    rows = kept.sort((a, b) => a.begin - b.begin || a.number - b.number).map((task) => [task]);
    waitsDrawn = true;
  } else {
    const started = shown.filter((task) => task.started !== null);
    const roomy = lanesOf(started, (task) => task.ready ?? task.started);
    waitsDrawn = roomy !== null && roomy.length <= Math.max(24, 2 * run.lanes);
    rows = waitsDrawn ? roomy : Array.from({ length: run.lanes }, () => []);
    if (!waitsDrawn) for (const task of started.sort((a, b) => a.started - b.started)) rows[task.lane].push(task);
  }
  byId("note").textContent = mode === "rows" ? "" : "Shades tell names apart."
    + (waitsDrawn ? "" : " Too many tasks wait to draw that in lanes: the hatched curve counts them, and Rows shows each.");
  rowOf = new Map(rows.flatMap((row, at) => row.map((task) => [task.number, at])));
  if (!rowOf.has(chosen.task)) chosen.over = null;
  resize();
}

function resize() {
  scale.width = view.clientWidth;
  const content = AXIS + rows.length * rowHeight[mode] + 10;
  const high = Math.max(120, Math.min(content, Math.max(260, innerHeight * 0.68)));
  view.style.height = high + 2 + "px";
  chart.style.height = high + "px";
  tall.style.height = Math.max(0, content - high) + "px";
  draw();
}

let asked = false;
function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; drawChart(); drawMap(); });
}

function drawChart() {
  const width = scale.width, height = chart.clientHeight, top = view.scrollTop, step = rowHeight[mode];
  const ink = pen(chart, width, height);
  drawGrid(ink, height);
  ink.save();
  ink.beginPath();
  ink.rect(0, AXIS, width, height - AXIS);
  ink.clip();
  const first = Math.max(0, Math.floor((top - AXIS) / step));
  const last = Math.min(rows.length - 1, Math.ceil((top + height - AXIS) / step));
  const yOf = (row) => AXIS + 4 + row * step - top;
  if (mode === "rows") drawCriticalLinks(ink, yOf);
  for (let row = first; row <= last; row++) mode === "rows" ? drawRow(ink, rows[row][0], yOf(row)) : drawLane(ink, rows[row], yOf(row));
  drawLinks(ink, yOf);
  for (const number of new Set([chosen.over, chosen.task])) if (rowOf.has(number)) ring(ink, tasks[number], yOf(rowOf.get(number)));
  ink.restore();
}

function drawGrid(ink, height) {
  ink.textAlign = "center";
  for (const [moment, text] of ticks()) {
    const x = Math.round(xOf(moment)) + 0.5;
    ink.fillStyle = colours.rule;
    ink.fillRect(x - 0.5, AXIS - 4, 1, height);
    ink.fillStyle = colours.dim;
    const half = ink.measureText(text).width / 2;
    ink.fillText(text, Math.min(Math.max(x, half + 4), scale.width - half - 4), AXIS / 2);
  }
}

const thickness = () => rowHeight[mode] - (mode === "rows" ? 9 : 3);
const dimmed = (task) => matching !== null && !matching.has(task.number);

function drawWait(ink, task, y) {
  if (!(task.waited > 0)) return;
  const from = xOf(task.ready), wide = xOf(task.started ?? task.ended) - from;
  if (wide < 1.5) return;
  ink.fillStyle = colours.hatch;
  ink.fillRect(from, y + 2, wide, thickness() - 4);
  ink.strokeStyle = colours.wait;
  ink.lineWidth = 0.7;
  ink.strokeRect(from + 0.5, y + 2.5, Math.max(0, wide - 1), thickness() - 5);
}

function drawBar(ink, task, y) {
  const from = xOf(task.started), wide = Math.max(1, xOf(task.end) - from), high = thickness();
  ink.fillStyle = colours[task.look === "run" && mode === "lanes" ? shades[task.shade] : task.look];
  ink.fillRect(from, y, wide > 4 ? wide - 0.6 : wide, high);
  if (task.look === "failed" || task.look === "panicked" || task.look === "timedout") {
    // A notch, for who does not see the colour.
    ink.fillStyle = colours.sheet;
    ink.fillRect(from, y + high / 2 - 1, Math.min(wide, 8), 2);
  }
  if (task.critical) {
    ink.fillStyle = colours.ink;
    ink.fillRect(from, y + high - 2.5, wide, 2.5);
  }
}

const label = (task) => task.look === "run" ? task.name : task.name + " — " + task.status;

function drawRow(ink, task, y) {
  const high = thickness(), middle = y + high / 2;
  const ready = xOf(task.ready ?? task.begin);
  ink.strokeStyle = colours.wait;
  ink.lineWidth = 1;
  ink.globalAlpha = 0.6;
  ink.setLineDash([1, 4]);
  ink.beginPath();
  ink.moveTo(xOf(0), middle);
  ink.lineTo(ready - 4, middle);
  if (ready - 4 > xOf(0)) ink.stroke();
  ink.setLineDash([]);
  ink.globalAlpha = 1;
  drawWait(ink, task, y);
  let end = xOf(task.end ?? task.begin);
  if (task.started === null) {
    ink.lineWidth = 1.5;
    ink.beginPath();
    ink.arc(end, middle, 3.6, 0, 7);
    ink.stroke();
    end += 4;
  } else {
    drawBar(ink, task, y);
    end = Math.max(end, xOf(task.started) + 1);
  }
  // Beside the bar where there is room, else in it.
  ink.fillStyle = colours.ink;
  const text = fit(ink, label(task), scale.width * 0.6), wide = ink.measureText(text).width;
  const begin = Math.min(ready, xOf(task.begin));
  if (end + 14 + wide < scale.width && end > -8) { ink.textAlign = "left"; halo(ink, text, Math.max(end + 8, 8), middle); }
  else if (begin - 8 - wide > 0) { ink.textAlign = "right"; halo(ink, text, Math.min(begin - 8, scale.width - 8), middle); }
  else { ink.textAlign = "left"; ink.fillText(text, Math.max(begin, 0) + 6, middle); }
}

// On paper, so that lines behind it do not cross it out.
function halo(ink, text, x, y) {
  ink.strokeStyle = colours.sheet;
  ink.lineWidth = 4;
  ink.lineJoin = "round";
  ink.strokeText(text, x, y);
  ink.fillText(text, x, y);
}

function drawLane(ink, lane, y) {
  const until = scale.to, high = thickness();
  // The first that may be seen.
  let at = 0, behind = lane.length;
  while (at < behind) { const middle = (at + behind) >> 1; lane[middle].end < scale.from ? at = middle + 1 : behind = middle; }
  let drawn = -1;
  for (; at < lane.length; at++) {
    const task = lane[at], begin = waitsDrawn ? task.ready ?? task.started : task.started;
    if (begin > until) break;
    const right = xOf(task.end);
    // Where several fall on one pixel, one is drawn; one that matters always is.
    if (right < drawn && task.look === "run" && !task.critical && matching === null) continue;
    ink.globalAlpha = dimmed(task) ? 0.18 : 1;
    if (waitsDrawn) drawWait(ink, task, y);
    drawBar(ink, task, y);
    drawn = Math.floor(right) + 1;
    const left = Math.max(xOf(task.started), 0), room = Math.min(right, scale.width) - left - 10;
    if (room > 24) {
      ink.textAlign = "left";
      ink.fillStyle = colours.ink;
      const text = fit(ink, label(task), room);
      if (text.length > 2) ink.fillText(text, left + 5, y + high / 2);
    }
    ink.globalAlpha = 1;
  }
}

// As much of a text as there is room for.
function fit(ink, text, room) {
  if (ink.measureText(text).width <= room) return text;
  let few = 0, many = text.length;
  while (few < many - 1) { const middle = (few + many) >> 1; ink.measureText(text.slice(0, middle) + "…").width <= room ? few = middle : many = middle; }
  return few === 0 ? "" : text.slice(0, few) + "…";
}

const criticalPath = tasks.filter((task) => task.critical).sort((a, b) => a.started - b.started);

function drawCriticalLinks(ink, yOf) {
  ink.strokeStyle = colours.ink;
  ink.lineWidth = 1.2;
  ink.beginPath();
  for (let at = 1; at < criticalPath.length; at++) {
    const before = criticalPath[at - 1], task = criticalPath[at];
    if (!rowOf.has(before.number) || !rowOf.has(task.number)) continue;
    const from = yOf(rowOf.get(before.number)) + thickness(), to = yOf(rowOf.get(task.number)) + thickness() / 2;
    if (Math.max(from, to) < 0 || Math.min(from, to) > chart.clientHeight) continue;
    const x = xOf(before.end);
    ink.moveTo(x, from);
    ink.lineTo(x, to);
    ink.lineTo(Math.max(x, xOf(task.ready ?? task.started)), to);
  }
  ink.stroke();
}

// What the chosen task waited for, and what waited for it.
function drawLinks(ink, yOf) {
  const task = tasks[chosen.over ?? chosen.task];
  if (task === undefined || !rowOf.has(task.number)) return;
  ink.strokeStyle = colours.focus;
  ink.lineWidth = 1.2;
  ink.globalAlpha = 0.75;
  const half = thickness() / 2;
  const link = (from, to) => {
    if (!rowOf.has(from.number) || !rowOf.has(to.number) || from.end === null) return;
    const x1 = xOf(from.end), y1 = yOf(rowOf.get(from.number)) + half, x2 = xOf(to.begin), y2 = yOf(rowOf.get(to.number)) + half;
    const bend = Math.min(60, Math.abs(x2 - x1) / 2);
    ink.beginPath();
    ink.moveTo(x1, y1);
    ink.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
    ink.stroke();
  };
  task.upstreams.slice(0, 60).forEach((upstream) => link(tasks[upstream], task));
  task.downstreams.slice(0, 60).forEach((downstream) => link(task, tasks[downstream]));
  ink.globalAlpha = 1;
}

function ring(ink, task, y) {
  if (!waitsDrawn) drawWait(ink, task, y);
  const from = xOf(task.begin), to = Math.max(xOf(task.end ?? task.begin), from + 3);
  ink.strokeStyle = colours.focus;
  ink.lineWidth = task.number === chosen.task ? 2.5 : 1.5;
  ink.strokeRect(from - 2, y - 2, to - from + 4, thickness() + 4);
}

// The task at a point of the chart, with some mercy for fingers.
function taskAt(x, y, mercy) {
  const row = rows[Math.floor((y - AXIS - 2 + view.scrollTop) / rowHeight[mode])];
  if (row === undefined || y < AXIS) return null;
  if (mode === "rows") return row[0];
  const distance = (task) => Math.max(xOf(waitsDrawn ? task.ready ?? task.started : task.started) - x, x - Math.max(xOf(task.end), xOf(task.started) + 1), 0);
  let best = null, least = mercy;
  for (const task of row) { const far = distance(task); if (far <= least) { least = far; best = task; } }
  return best;
}
