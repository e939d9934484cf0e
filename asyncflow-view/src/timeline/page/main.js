// Selection, search and buttons.

const details = byId("details"), announcement = byId("announcement");

function select(task, revealed) {
  selection.task = task === null ? null : task.number;
  details.hidden = task === null;
  if (task !== null) {
    showDetails(task);
    announcement.textContent = summary(task);
    if (revealed && run.timed) reveal(task);
  }
  fillTable();
  if (run.timed) draw();
}

// Shows everything about one task below the chart.
function showDetails(task) {
  const facts = element("dl");
  const fact = (what, ...is) => { const value = element("dd"); value.append(...is); facts.append(element("dt", what), value); };
  const links = (numbers, more) => {
    const shown = numbers.slice(0, 24).map((at) => {
      const button = element("button", tasks[at].name, { type: "button", dir: "auto" });
      button.addEventListener("click", () => { select(tasks[at], true); details.focus(); });
      return button;
    });
    return more || numbers.length > 24 ? [...shown, "and more"] : shown;
  };
  fact("Status", task.status + (task.attempts > 1 ? ", " + task.attempts + " attempts" : "") + (task.critical ? ", on the critical path" : ""));
  if (task.because !== null) fact("Because of", ...links([task.because]));
  fact("Function", { plain: "plain, on a blocking thread", async: "async", input: "none: an input of the run", value: "none: a value of the flow", part: "inside of another task" }[task.kind]);
  if (task.note !== "") fact("Note", task.note);
  if (task.outer !== null) fact("Inside of", ...links([task.outer.number], false));
  if (task.inside !== null) {
    const { summary, count, statuses, parts, unfolded } = task.inside;
    const button = element("button", unfolded ? "Hide" : "Show", { type: "button", "aria-expanded": unfolded });
    button.addEventListener("click", () => { unfold(task); select(task, true); details.focus(); });
    fact("Inside", summary + ": " + statuses.map(([word, count]) => number(count) + " " + word).join(", "));
    if (parts.length && run.timed) fact("In the chart", button, parts.length < count ? " the " + parts.length + " that failed or ran longest" : "");
  }
  if (task.holds) fact("Holds", task.holds);
  if (task.ready !== null) fact("Waited for upstreams", duration(task.ready));
  if (task.waited !== null) {
    if (task.holds) fact("Waited for permits", duration(task.permits));
    fact("Waited for a slot or a thread", duration(task.waited - task.permits));
  }
  if (task.ran !== null) fact("Ran", duration(task.ran) + ", from " + duration(task.started) + " to " + duration(task.ended));
  if (task.paused > 0) fact("Between attempts", duration(task.paused));
  if (task.upstreams.length) fact("Upstream", ...links(task.upstreams, task.more));
  if (task.downstreams.length) fact("Downstream", ...links(task.downstreams, false));
  const name = element("h3", task.name, { dir: "auto" });
  details.replaceChildren(name, facts);
}

const search = byId("search");
search.addEventListener("input", () => {
  const wanted = search.value.trim().toLowerCase();
  matching = wanted === "" ? null : new Set(wholeTasks.filter((task) => task.text.includes(wanted)).map((task) => task.number));
  announcement.textContent = byId("found").textContent = matching === null ? "" : number(matching.size) + " of " + number(wholeTasks.length);
  updateTable();
  if (run.timed) arrange();
});

function show(wanted) {
  mode = wanted;
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === mode);
  arrange();
  if (selection.task !== null) reveal(tasks[selection.task]);
}

if (run.timed) {
  if (matchMedia("(pointer: coarse)").matches) { rowHeight.rows = 30; rowHeight.lanes = 26; }
  for (const button of document.querySelectorAll("[data-mode]")) button.addEventListener("click", () => show(button.dataset.mode));
  byId("in").addEventListener("click", () => zoomAtSelection(2));
  byId("out").addEventListener("click", () => zoomAtSelection(0.5));
  byId("fit").addEventListener("click", fitAll);
  const repaint = () => { readColours(); draw(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  // In the next frame, because `resize` changes the height of the observed element.
  let seen = "";
  new ResizeObserver(() => requestAnimationFrame(() => {
    const now = [view.clientWidth, innerHeight, devicePixelRatio].join();
    if (now === seen) return;
    seen = now;
    readColours();
    resize();
  })).observe(document.body);
  addEventListener("resize", () => resize());
  addEventListener("beforeprint", drawChart);
  readColours();
  show(mode);
}
updateTable();
