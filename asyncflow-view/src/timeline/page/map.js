// The map above the chart: the whole run, how many tasks ran and how many waited, and which part is seen.

const map = part("map");

// How many spans there are in each column, on average over its time, so that a span that ends where
// another begins makes no peak.
function levels(spans, columns) {
  const part = new Float64Array(columns + 1), change = new Float64Array(columns + 2);
  for (const [from, to] of spans) {
    const a = Math.min(columns, from / whole * columns), b = Math.min(columns, to / whole * columns);
    const first = Math.floor(a), last = Math.floor(b);
    if (first === last) { part[first] += b - a; continue; }
    part[first] += first + 1 - a;
    part[last] += b - last;
    change[first + 1] += 1;
    change[last] -= 1;
  }
  let level = 0;
  return part.subarray(0, columns).map((own, at) => own + (level += change[at]));
}
const most = (curve) => curve.reduce((a, b) => Math.max(a, b), 0);
const ranSpans = tasks.filter((task) => task.started !== null).map((task) => [task.started, task.end]);
const waitSpans = tasks.filter((task) => task.waited > 0).map((task) => [task.ready, task.ready + task.waited]);
let curves = null;

function drawMap() {
  const width = map.clientWidth, height = map.clientHeight;
  const columns = Math.max(1, Math.floor(width - 2 * scale.pad));
  if (curves === null || curves.columns !== columns) {
    curves = { columns, ran: levels(ranSpans, columns), waited: levels(waitSpans, columns) };
  }
  const ink = pen(map, width, height);
  const area = (curve, from, high, fill, line) => {
    const top = Math.max(1, most(curve));
    ink.beginPath();
    ink.moveTo(scale.pad, from);
    curve.forEach((level, at) => {
      ink.lineTo(scale.pad + at, from - level / top * high);
      ink.lineTo(scale.pad + at + 1, from - level / top * high);
    });
    ink.lineTo(scale.pad + columns, from);
    ink.fillStyle = fill;
    ink.fill();
    if (line) { ink.strokeStyle = line; ink.lineWidth = 0.8; ink.stroke(); }
  };
  const x = (moment) => scale.pad + moment / whole * columns;
  area(curves.waited, height - 4, height - 12, colours.hatch, colours.wait);
  area(curves.ran, height - 4, (height - 12) * 0.7, colours.run);
  // What is not seen in the chart lies in the shade.
  const from = x(scale.from), to = x(scale.to);
  ink.globalAlpha = 0.72;
  ink.fillStyle = colours.sheet;
  ink.fillRect(0, 0, from, height);
  ink.fillRect(to, 0, width - to, height);
  ink.globalAlpha = 1;
  if (scale.to - scale.from < whole) {
    ink.strokeStyle = colours.focus;
    ink.lineWidth = 1.5;
    ink.strokeRect(from, 1, Math.max(2, to - from), height - 2);
  }
}

let mapHeld = false;
const goTo = (event) => {
  const moment = (event.offsetX - scale.pad) / (map.clientWidth - 2 * scale.pad) * whole, half = (scale.to - scale.from) / 2;
  see(moment - half, moment + half);
  draw();
};
map.addEventListener("pointerdown", (event) => { mapHeld = true; map.setPointerCapture(event.pointerId); goTo(event); });
map.addEventListener("pointermove", (event) => { if (mapHeld) goTo(event); });
for (const end of ["pointerup", "pointercancel"]) map.addEventListener(end, () => { mapHeld = false; });
