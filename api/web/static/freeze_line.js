// The network as its blocks: those before the line are frozen. The line is dragged, or moved with the arrow keys.
// Blocks are moved around the line, which stays in the page while it is dragged: a finger would lose it otherwise.
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };

export function drawBlocks(form, changed) {
  const place = form.querySelector("#blocks");
  const depth = form.querySelector('[data-path="freeze_depth"]');
  const model = form.querySelector("#model");
  const teacher = form.querySelector('[data-path="teacher"]');
  const words = form.querySelector("#blocks-words");
  const known = JSON.parse(document.getElementById("models-data").textContent);
  const line = lineOf();
  let blocks = [];

  // Where no network is chosen, the one that the service has settled on.
  const name = () => (teacher?.value ? `teacher ${teacher.value}` : model.value || form.dataset.network || form.querySelector("#default-model").value);
  const frozen = () => Math.max(0, Math.min(Number(depth.value) || 0, blocks.length - 1));

  function draw() {
    const count = known[name()] ?? 0;
    place.closest(".field-blocks").hidden = !count || depth.value === "auto";
    if (!count) return;
    if (blocks.length !== count) {
      blocks = Array.from({ length: count }, (_, index) => block(index, count));
      place.replaceChildren(line, ...blocks);
    }
    const at = frozen();
    for (const one of blocks.slice(0, at)) line.before(one);
    for (const one of blocks.slice(at).reverse()) line.after(one);
    blocks.forEach((one, index) => {
      one.className = index < at ? "frozen" : "tuned";
      const head = index === count - 1 ? ", the head" : "";
      one.setAttribute("aria-label", `Block ${index + 1}${head}: ${one.className}. Put the freeze line ${index < at ? "before" : "behind"} it.`);
    });
    const told = `${at} of ${count} blocks frozen, ${count - at} tuned`;
    line.setAttribute("aria-valuemax", String(count - 1));
    line.setAttribute("aria-valuenow", String(at));
    line.setAttribute("aria-valuetext", told);
    words.textContent = `${told}.`;
  }

  function block(index, count) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = index === count - 1 ? "head" : `${index + 1}`;
    made.disabled = index === count - 1;
    made.addEventListener("click", () => set(index < frozen() ? index : index + 1));
    return made;
  }

  function lineOf() {
    const made = document.createElement("span");
    made.className = "line";
    made.tabIndex = 0;
    made.setAttribute("role", "slider");
    made.setAttribute("aria-label", "Freeze line");
    made.setAttribute("aria-valuemin", "0");
    made.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step) return;
      event.preventDefault();
      set(frozen() + step);
      made.focus();
    });
    made.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      made.focus();
      const move = (to) => { if (passed(to) !== frozen()) set(passed(to)); };
      const stop = () => {
        window.removeEventListener("pointermove", move);
        for (const end of ["pointerup", "pointercancel"]) window.removeEventListener(end, stop);
      };
      window.addEventListener("pointermove", move);
      for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, stop);
    });
    return made;
  }

  // How many blocks lie before a point; on a narrow screen they stand in several rows.
  function passed(point) {
    const edges = blocks.map((one) => one.getBoundingClientRect());
    const y = Math.max(edges[0].top, Math.min(point.clientY, edges.at(-1).bottom - 1));
    const before = edges.filter((edge) => edge.bottom <= y || (edge.top <= y && point.clientX > edge.left + edge.width / 2));
    return Math.min(before.length, blocks.length - 1);
  }

  function set(value) {
    depth.value = String(Math.max(0, Math.min(value, blocks.length - 1)));
    draw();
    changed();
  }

  for (const input of [depth, model, teacher]) input?.addEventListener("input", draw);
  draw();
  return draw;
}
