// Choosing, searching, and the buttons.

const details = byId("details"), said = byId("said");

function choose(task, revealed) {
  chosen.task = task === null ? null : task.number;
  details.hidden = task === null;
  if (task !== null) {
    tell(task);
    said.textContent = sentence(task);
    if (revealed && run.timed) reveal(task);
  }
  fill();
  if (run.timed) draw();
}

// Everything about one task.
function tell(task) {
  const facts = element("dl");
  const fact = (what, ...is) => { const value = element("dd"); value.append(...is); facts.append(element("dt", what), value); };
  const links = (numbers, more) => {
    const shown = numbers.slice(0, 24).map((at) => {
      const button = element("button", tasks[at].name, { type: "button", dir: "auto" });
      button.addEventListener("click", () => { choose(tasks[at], true); details.focus(); });
      return button;
    });
    return more || numbers.length > 24 ? [...shown, "and more"] : shown;
  };
  fact("Status", task.status + (task.tries > 1 ? ", " + task.tries + " attempts" : "") + (task.critical ? ", on the critical path" : ""));
  if (task.because !== null) fact("Because of", ...links([task.because]));
  fact("Function", { plain: "plain, on a blocking thread", async: "async", input: "an input of the run" }[task.kind]);
  if (task.holds) fact("Holds", task.holds);
  if (task.ready !== null) fact("Waited for upstreams", duration(task.ready));
  if (task.waited !== null) {
    if (task.holds) fact("Waited for permits", duration(task.permits));
    fact("Waited for a slot or a thread", duration(task.waited - task.permits));
  }
  if (task.ran !== null) fact("Ran", duration(task.ran) + ", from " + duration(task.started) + " to " + duration(task.ended));
  if (task.upstreams.length) fact("Upstream", ...links(task.upstreams, task.more));
  if (task.downstreams.length) fact("Downstream", ...links(task.downstreams, false));
  const name = element("h3", task.name, { dir: "auto" });
  details.replaceChildren(name, facts);
}

const search = byId("search");
search.addEventListener("input", () => {
  const wanted = search.value.trim().toLowerCase();
  matching = wanted === "" ? null : new Set(tasks.filter((task) => task.text.includes(wanted)).map((task) => task.number));
  said.textContent = byId("found").textContent = matching === null ? "" : number(matching.size) + " of " + number(tasks.length);
  list();
  if (run.timed) arrange();
});

function show(wanted) {
  mode = wanted;
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === mode);
  arrange();
  if (chosen.task !== null) reveal(tasks[chosen.task]);
}

if (run.timed) {
  if (matchMedia("(pointer: coarse)").matches) { rowHeight.rows = 30; rowHeight.lanes = 26; }
  for (const button of document.querySelectorAll("[data-mode]")) button.addEventListener("click", () => show(button.dataset.mode));
  byId("in").addEventListener("click", () => zoomAtChosen(2));
  byId("out").addEventListener("click", () => zoomAtChosen(0.5));
  byId("fit").addEventListener("click", fitAll);
  const repaint = () => { readColours(); draw(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  // In the next frame, because it changes the height of what is observed.
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
list();
