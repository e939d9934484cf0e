// Which part of the run is seen, and what it looks like.

const scale = { from: 0, to: Math.max(run.wall, 1), width: 1, pad: 14 };
const whole = scale.to;
const xOf = (moment) => scale.pad + (moment - scale.from) / (scale.to - scale.from) * (scale.width - 2 * scale.pad);
const momentAt = (x) => scale.from + (x - scale.pad) / (scale.width - 2 * scale.pad) * (scale.to - scale.from);

function see(from, to) {
  const span = Math.min(Math.max(to - from, Math.min(whole, 20)), whole);
  scale.from = Math.min(Math.max(from, 0), whole - span);
  scale.to = scale.from + span;
}
function zoom(factor, x = scale.width / 2) {
  const moment = Math.min(Math.max(momentAt(x), 0), whole);
  see(moment - (moment - scale.from) / factor, moment + (scale.to - moment) / factor);
}
function pan(pixels) {
  const by = pixels / (scale.width - 2 * scale.pad) * (scale.to - scale.from);
  see(scale.from + by, scale.to + by);
}

// Round moments, at most one for every 90 pixels.
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
  for (const name of ["paper", "sheet", "ink", "dim", "rule", "soft", "focus", "wait", "mark",
    "run", "run2", "run3", "failed", "panicked", "timedout", "given", "cancelled", "other"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
  // Hatching: for what is ready, and waits.
  const tile = element("canvas");
  const ratio = devicePixelRatio || 1;
  tile.width = tile.height = Math.round(5 * ratio);
  const pen = tile.getContext("2d");
  pen.scale(tile.width / 5, tile.width / 5);
  pen.strokeStyle = colours.wait;
  pen.lineWidth = 0.9;
  pen.beginPath();
  for (const shift of [-5, 0, 5]) { pen.moveTo(shift - 1, 6); pen.lineTo(shift + 6, -1); }
  pen.stroke();
  const hatch = pen.createPattern(tile, "repeat");
  hatch.setTransform(new DOMMatrix().scale(5 / tile.width));
  colours.hatch = hatch;
}

// A canvas as sharp as the screen, with a pen that measures in CSS pixels.
function pen(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio);
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  const made = canvas.getContext("2d");
  made.setTransform(ratio, 0, 0, ratio, 0, 0);
  made.clearRect(0, 0, width, height);
  made.font = "12px " + getComputedStyle(document.body).fontFamily;
  made.textBaseline = "middle";
  return made;
}
