// The minimap above the chart: how many tasks ran and waited during the whole run, and which part of
// it the chart shows.

const minimap = byIdOrDetached("minimap");

// The average number of spans in each column. An average, so that a span that ends where another
// begins makes no peak.
function levels(spans, columns) {
  const part = new Float64Array(columns + 1), change = new Float64Array(columns + 2);
  for (const [from, to] of spans) {
    const a = Math.min(columns, from / runLength * columns), b = Math.min(columns, to / runLength * columns);
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
const ranSpans = wholeTasks.flatMap((task) => task.runs);
const waitSpans = wholeTasks.flatMap((task) => task.waits);
let curves = null;

function drawMinimap() {
  const width = minimap.clientWidth, height = minimap.clientHeight;
  const columns = Math.max(1, Math.floor(width - 2 * scale.pad));
  if (curves === null || curves.columns !== columns) {
    curves = { columns, ran: levels(ranSpans, columns), waited: levels(waitSpans, columns) };
  }
  const context = prepare(minimap, width, height);
  const area = (curve, from, high, fill, line) => {
    const top = Math.max(1, most(curve));
    context.beginPath();
    context.moveTo(scale.pad, from);
    curve.forEach((level, at) => {
      context.lineTo(scale.pad + at, from - level / top * high);
      context.lineTo(scale.pad + at + 1, from - level / top * high);
    });
    context.lineTo(scale.pad + columns, from);
    context.fillStyle = fill;
    context.fill();
    if (line) { context.strokeStyle = line; context.lineWidth = 0.8; context.stroke(); }
  };
  const x = (moment) => scale.pad + moment / runLength * columns;
  area(curves.waited, height - 4, height - 12, colours.hatch, colours.wait);
  area(curves.ran, height - 4, (height - 12) * 0.7, colours.run);
  // Fades the parts that the chart does not show.
  const from = x(scale.from), to = x(scale.to);
  context.globalAlpha = 0.72;
  context.fillStyle = colours.surface;
  context.fillRect(0, 0, from, height);
  context.fillRect(to, 0, width - to, height);
  context.globalAlpha = 1;
  if (scale.to - scale.from < runLength) {
    context.strokeStyle = colours.focus;
    context.lineWidth = 1.5;
    context.strokeRect(from, 1, Math.max(2, to - from), height - 2);
  }
}

let minimapPressed = false;
const goTo = (event) => {
  const moment = (event.offsetX - scale.pad) / (minimap.clientWidth - 2 * scale.pad) * runLength, half = (scale.to - scale.from) / 2;
  setRange(moment - half, moment + half);
  draw();
};
minimap.addEventListener("pointerdown", (event) => { minimapPressed = true; minimap.setPointerCapture(event.pointerId); goTo(event); });
minimap.addEventListener("pointermove", (event) => { if (minimapPressed) goTo(event); });
for (const end of ["pointerup", "pointercancel"]) minimap.addEventListener(end, () => { minimapPressed = false; });
