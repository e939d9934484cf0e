// The data of the run, and its presentation as text.

const run = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const NAME = 0, KIND = 1, STATUS = 2, ATTEMPTS = 3, READY = 4, PERMITTED = 5, STARTED = 6, ENDED = 7, LANE = 8, CRITICAL = 9,
  HOLDS = 10, UPSTREAMS = 11, MORE = 12, BECAUSE = 13;

// The tasks. A moment is null if it did not happen.
const tasks = run.tasks.map((row, number) => {
  const moment = (at) => (row[at] === -1 ? null : row[at]);
  const task = {
    number, name: row[NAME], kind: row[KIND], status: run.statuses[row[STATUS]][0], statusClass: run.statuses[row[STATUS]][1],
    attempts: row[ATTEMPTS], ready: moment(READY), started: moment(STARTED), ended: moment(ENDED), lane: row[LANE],
    critical: row[CRITICAL] === 1, holds: row[HOLDS] === -1 ? "" : run.holds[row[HOLDS]], upstreams: row[UPSTREAMS],
    more: row[MORE] === 1, because: moment(BECAUSE), downstreams: [], note: "", inside: null, outer: null,
    pauses: [],
  };
  const permitted = moment(PERMITTED);
  task.end = task.ended ?? (task.started === null ? null : run.wall);
  task.ran = task.started === null || task.ended === null ? null : Math.max(0, task.ended - task.started);
  const until = task.started ?? task.ended;
  task.waited = task.ready === null || until === null ? null : Math.max(0, until - task.ready);
  task.permits = task.waited === null ? null
    : task.holds === "" ? 0
    : task.started === null ? task.waited
    : permitted === null ? 0 : Math.min(Math.max(permitted, task.ready), until) - task.ready;
  task.begin = task.started ?? task.ready ?? task.ended;
  task.text = (task.name + "\n" + task.status + "\n" + task.holds).toLowerCase();
  return task;
});
for (const task of tasks) for (const upstream of task.upstreams) tasks[upstream].downstreams.push(task.number);
for (const [number, pauses] of run.pauses) tasks[number].pauses = pauses;
// When attempts ran, and when a task waited: for its first start, and between its attempts.
for (const task of tasks) {
  const begins = [task.started, ...task.pauses.map((pause) => pause[1])], ends = [...task.pauses.map((pause) => pause[0]), task.end];
  task.runs = task.started === null ? [] : begins.map((begin, at) => [begin, ends[at]]).filter(([begin, end], at) => at === 0 || begin < end);
  task.waits = [...(task.waited > 0 ? [[task.ready, task.ready + task.waited]] : []), ...task.pauses];
  task.paused = task.pauses.reduce((sum, [begin, end]) => sum + end - begin, 0);
}
for (const [number, note] of run.notes) { tasks[number].note = note; tasks[number].text += "\n" + note.toLowerCase(); }

// Of each task in which elements or tasks of other runs ran: a summary, their number, how many have each
// status, how many ran in each step from its start to its end, in hundredths of the greatest, and some of
// them. Those are in the list of tasks too, so that they are selected and drawn like tasks.
const wholeTasks = [...tasks];
for (const [of, summary, count, statuses, levels, parts] of run.inside) {
  const outer = tasks[of];
  outer.inside = { summary, count, statuses, levels, parts: [], unfolded: false };
  for (const [name, status, started, ended] of parts) {
    const end = ended === -1 ? run.wall : ended;
    const part = {
      ...outer, number: tasks.length, name, kind: "part", status: run.statuses[status][0], statusClass: run.statuses[status][1], attempts: 1,
      ready: null, started, begin: started, ended: ended === -1 ? null : ended, end, ran: ended === -1 ? null : Math.max(0, ended - started), waited: null, permits: null,
      lane: -1, critical: false, holds: "", upstreams: [], downstreams: [], more: false, because: null, note: "", inside: null, outer,
      pauses: [], runs: [[started, end]], waits: [], paused: 0,
    };
    outer.inside.parts.push(part);
    outer.text += "\n" + name.toLowerCase();
    tasks.push(part);
  }
}

const number = (value) => String(value).length > 4 ? String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f") : String(value);

// Formats nanoseconds with three digits and a unit.
function duration(nanos) {
  if (nanos === null) return "–";
  if (nanos < 1000) return nanos + " ns";
  const seconds = Math.floor(nanos / 1e9);
  if (seconds >= 3600) return Math.floor(seconds / 3600) + " h " + Math.floor(seconds % 3600 / 60) + " min";
  if (seconds >= 60) return Math.floor(seconds / 60) + " min " + seconds % 60 + " s";
  const [value, unit] = nanos < 1e6 ? [nanos / 1e3, "µs"] : nanos < 1e9 ? [nanos / 1e6, "ms"] : [nanos / 1e9, "s"];
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + unit;
}

// Creates an element with text. Text is never parsed as markup.
function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function summary(task) {
  const parts = [task.name, task.status];
  if (task.ran !== null) parts.push("ran " + duration(task.ran));
  if (task.waited > 0) parts.push("waited " + duration(task.waited) + " when ready");
  if (task.paused > 0) parts.push("waited " + duration(task.paused) + " between " + number(task.attempts) + " attempts");
  if (task.critical) parts.push("on the critical path");
  if (task.inside !== null) parts.push(task.inside.summary);
  if (task.note !== "") parts.push(task.note);
  return parts.join(", ");
}
