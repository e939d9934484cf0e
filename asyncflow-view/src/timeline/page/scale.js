// The visible part of the run, colours, and canvases.

const scale = { from: 0, to: Math.max(run.wall, 1), width: 1, pad: 14 };
const runLength = scale.to;
const xOf = (moment) => scale.pad + (moment - scale.from) / (scale.to - scale.from) * (scale.width - 2 * scale.pad);
const momentAt = (x) => scale.from + (x - scale.pad) / (scale.width - 2 * scale.pad) * (scale.to - scale.from);

function setRange(from, to) {
  const span = Math.min(Math.max(to - from, Math.min(runLength, 20)), runLength);
  scale.from = Math.min(Math.max(from, 0), runLength - span);
  scale.to = scale.from + span;
}
function zoom(factor, x = scale.width / 2) {
  const moment = Math.min(Math.max(momentAt(x), 0), runLength);
  setRange(moment - (moment - scale.from) / factor, moment + (scale.to - moment) / factor);
}
function pan(pixels) {
  const by = pixels / (scale.width - 2 * scale.pad) * (scale.to - scale.from);
  setRange(scale.from + by, scale.to + by);
}

// The ticks of the axis: round moments, at least 90 pixels apart, so that their labels have room.
function ticks() {
  const least = (scale.to - scale.from) / Math.max(2, scale.width / 90);
  const decade = 10 ** Math.floor(Math.log10(least));
  const step = Math.max(1, [1, 2, 5, 10].find((factor) => factor * decade >= least) * decade);
  const [unit, name] = step >= 5e8 ? [1e9, "s"] : step >= 1e6 ? [1e6, "ms"] : step >= 1e3 ? [1e3, "µs"] : [1, "ns"];
  const digits = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  const found = [];
  for (let at = Math.ceil(scale.from / step); at * step <= scale.to; at++) {
    found.push([at * step, at === 0 ? "0" : (at * step / unit).toFixed(digits) + " " + name]);
  }
  return found;
}

let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["page", "surface", "text", "muted", "line", "subtle", "focus", "wait",
    "run", "run2", "run3", "failed", "panicked", "timedout", "recovered", "given", "cancelled", "other"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
  // The hatching of tasks that are ready and wait.
  const tile = element("canvas");
  const ratio = devicePixelRatio || 1;
  tile.width = tile.height = Math.round(5 * ratio);
  const context = tile.getContext("2d");
  context.scale(tile.width / 5, tile.width / 5);
  context.strokeStyle = colours.wait;
  context.lineWidth = 0.9;
  context.beginPath();
  for (const shift of [-5, 0, 5]) { context.moveTo(shift - 1, 6); context.lineTo(shift + 6, -1); }
  context.stroke();
  const hatch = context.createPattern(tile, "repeat");
  hatch.setTransform(new DOMMatrix().scale(5 / tile.width));
  colours.hatch = hatch;
}

// Clears a canvas and returns its context. The canvas has the resolution of the screen; the context
// measures in CSS pixels.
function prepare(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio);
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px " + getComputedStyle(document.body).fontFamily;
  context.textBaseline = "middle";
  return context;
}
