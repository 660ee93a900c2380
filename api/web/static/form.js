// The form of a new job: values by their path in the request, an estimate as one types, faults at their fields.
import { ask, toast } from "./app.js";

const WAIT_MILLISECONDS = 400;

function read(input) {
  if (input.type === "checkbox") return "item" in input.dataset ? (input.checked ? input.value : undefined) : input.checked;
  const text = input.value.trim();
  if (text === "") return undefined;
  if (input.dataset.kind === "number" && !Number.isNaN(Number(text))) return Number(text);
  if (input.dataset.kind === "depth") return text === "auto" ? text : Number(text);
  if (input.dataset.kind === "list") return text.split(",").map((part) => part.trim()).filter(Boolean);
  if (input.dataset.kind === "labels") return text.split(/[ ,]+/).filter(Boolean).map(Number);
  if (input.dataset.kind === "boolean") return text === "true";
  return text;
}

function put(request, path, value) {
  const parts = path.split(".");
  const last = parts.pop();
  let at = request;
  for (const part of parts) at = at[part] = typeof at[part] === "object" && at[part] ? at[part] : {};
  at[last] = value;
}

export function requestOf(form) {
  const request = {};
  const lists = {};
  for (const input of form.querySelectorAll("[data-path]")) {
    if (input.disabled || input.closest("[hidden]")) continue;
    const value = read(input);
    const path = input.dataset.path;
    if ("item" in input.dataset) {
      lists[path] ??= [];
      if (value !== undefined) lists[path].push(value);
    } else if (value !== undefined && !(input.type === "checkbox" && !value)) put(request, path, value);
  }
  for (const [path, values] of Object.entries(lists)) put(request, path, values);
  for (const field of ["dataset", "source"])
    if (request[field] && Object.keys(request[field]).length === 1 && request[field].name) request[field] = request[field].name;
  const extra = form.querySelector("#more")?.value.trim();
  if (extra) merge(request, JSON.parse(extra));
  return request;
}

function merge(into, from) {
  for (const [name, value] of Object.entries(from)) {
    const both = [into[name], value].every((one) => one && typeof one === "object" && !Array.isArray(one));
    if (both) merge(into[name], value);
    else into[name] = value;
  }
}

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${(seconds / 86400).toFixed(1)} days`;
}

// Of each data set that the job needs: there, to be downloaded, or missing with what fetches it.
function tellNeeded(form, data) {
  form.querySelector("#needed").replaceChildren(...data.map((one) => {
    const size = one.size ? ` (${(one.size / 1e6).toFixed(0)} MB)` : "";
    const words = {
      present: "its files are there.",
      download: `will be downloaded${size} from ${one.host ?? "its publishers"}; that needs a network.`,
      missing: "its files are missing, so the job would fail. This fetches them: ",
      unknown: "the workers know whether its files are there. This fetches them: ",
    };
    const item = document.createElement("li");
    item.className = one.state;
    item.textContent = `${one.name} (${one.field}): ${words[one.state] ?? one.state}`;
    if (one.command && one.state !== "download") {
      const command = document.createElement("code");
      command.textContent = one.command;
      item.append(command);
    }
    return item;
  }));
}

export function startForm(form) {
  const estimate = form.querySelector("#estimate");
  const general = form.querySelector("#general-fault");
  const touched = new Set();
  let timer = null;
  let asked = 0;

  function clear() {
    for (const field of form.querySelectorAll(".field.wrong")) {
      field.classList.remove("wrong");
      field.querySelector(".fault")?.remove();
      field.querySelector("[data-path]")?.removeAttribute("aria-invalid");
    }
    general.hidden = true;
  }

  function tell(problem, all) {
    const others = [];
    for (const fault of problem?.errors ?? []) {
      const words = fault.message + (fault.allowed ? ` (allowed: ${fault.allowed})` : "");
      const input = nearest(fault.field);
      if (!input) others.push(`${fault.field}: ${words}`);
      else if (all || touched.has(input.dataset.path) || input.value) mark(input, words);
    }
    if (others.length || !problem?.errors?.length) {
      general.textContent = others.join("\n") || problem?.detail || "The service refused.";
      general.hidden = false;
    }
  }

  function nearest(path) {
    for (let parts = path.split("."); parts.length; parts.pop()) {
      const found = form.querySelector(`[data-path="${CSS.escape(parts.join("."))}"], [data-path="${CSS.escape(`${parts.join(".")}.name`)}"]`);
      if (found) return found;
    }
    return null;
  }

  function mark(input, words) {
    const field = input.closest(".field");
    if (!field || field.querySelector(".fault")) return;
    field.classList.add("wrong");
    input.setAttribute("aria-invalid", "true");
    const note = document.createElement("span");
    note.className = "fault";
    note.textContent = words;
    field.append(note);
    field.closest("details")?.setAttribute("open", "");
  }

  function parsed() {
    try {
      return requestOf(form);
    } catch {
      mark(form.querySelector("#more"), "This is no JSON.");
      return null;
    }
  }

  async function look(all = false) {
    clear();
    const request = parsed();
    if (!request) return;
    tellCode(request);
    const mine = ++asked;
    try {
      const found = await ask("/jobs?dry_run=true", send(request));
      if (mine !== asked) return;
      const { low, high } = found.estimate.seconds_range;
      estimate.textContent = `About ${duration(found.estimate.seconds)} (${duration(low)} to ${duration(high)}, ${found.estimate.basis}), ${(found.estimate.disk_bytes / 1e6).toFixed(0)} MB on disk.`;
      form.querySelector("#assumes").textContent = `It assumes ${found.estimate.assumes ?? "nothing"}.`;
      tellNeeded(form, found.data ?? []);
      form.dataset.spec = JSON.stringify(found.spec);
    } catch (problem) {
      if (mine !== asked) return;
      estimate.textContent = "No estimate yet.";
      tellNeeded(form, []);
      tell(problem.problem, all);
    }
  }

  function tellCode(request) {
    const base = location.origin;
    const json = JSON.stringify(request, null, 2);
    form.querySelector("#as-json").value = json;
    form.querySelector("#as-curl").value = `curl -s ${base}/jobs -H "Authorization: Bearer $CARTL_KEY" -H 'Content-Type: application/json' -d '${JSON.stringify(request).replaceAll("'", "'\\''")}'`;
    const python = json.replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False").replace(/\bnull\b/g, "None");
    form.querySelector("#as-python").value = `import os\n\nfrom cartl import Client\n\nclient = Client("${base}", os.environ.get("CARTL_KEY"))\njob = client.submit(${python})\nprint(job["id"])\n`;
  }

  const send = (request) => ({ method: "POST", body: JSON.stringify(request), headers: { "Content-Type": "application/json" } });
  const soon = () => { clearTimeout(timer); timer = setTimeout(look, WAIT_MILLISECONDS); };

  form.addEventListener("input", (event) => {
    if (event.target.dataset.path) touched.add(event.target.dataset.path);
    soon();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear();
    const request = parsed();
    if (!request) return;
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      const job = await ask("/jobs", { ...send(request), headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() } });
      window.location.assign(`/ui/jobs/${job.id}`);
    } catch (problem) {
      tell(problem.problem, true);
      toast(problem.message);
      form.querySelector(".wrong [data-path]")?.focus();
    } finally {
      button.disabled = false;
    }
  });
  drawBlocks(form, soon);
  const began = form.querySelector("#began-with");
  if (began) look(true);
  else look();
}

// The network as its blocks: those before the line are frozen. The line is dragged, or moved with the arrow keys.
function drawBlocks(form, changed) {
  const place = form.querySelector("#blocks");
  const depth = form.querySelector('[data-path="freeze_depth"]');
  const model = form.querySelector("#model");
  const teacher = form.querySelector('[data-path="teacher"]');
  const words = form.querySelector("#blocks-words");
  const known = JSON.parse(document.getElementById("models-data").textContent);

  function draw() {
    const name = teacher?.value ? `teacher ${teacher.value}` : model.value || form.querySelector("#default-model").value;
    const blocks = known[name] ?? 0;
    place.replaceChildren();
    place.closest(".field-blocks").hidden = !blocks || depth.value === "auto";
    if (!blocks) return;
    const frozen = Math.min(Number(depth.value) || 0, blocks - 1);
    for (let index = 0; index < blocks; index += 1) {
      if (index === frozen) place.append(line(frozen, blocks));
      const block = document.createElement("button");
      block.type = "button";
      block.className = index < frozen ? "frozen" : "tuned";
      block.textContent = index === blocks - 1 ? "head" : `${index + 1}`;
      block.setAttribute("aria-label", `Block ${index + 1}${index === blocks - 1 ? ", the head" : ""}: ${index < frozen ? "frozen" : "tuned"}. Put the freeze line ${index < frozen ? "before" : "behind"} it.`);
      block.disabled = index === blocks - 1;
      block.addEventListener("click", () => set(index < frozen ? index : index + 1, blocks));
      place.append(block);
    }
    words.textContent = `${frozen} of ${blocks} blocks frozen, ${blocks - frozen} tuned.`;
  }

  function line(frozen, blocks) {
    const handle = document.createElement("span");
    handle.className = "line";
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", "Freeze line");
    handle.setAttribute("aria-valuemin", "0");
    handle.setAttribute("aria-valuemax", String(blocks - 1));
    handle.setAttribute("aria-valuenow", String(frozen));
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      set(frozen + step, blocks);
      place.querySelector(".line").focus();
    });
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const move = (at) => {
        const edges = [...place.querySelectorAll("button")].map((block) => block.getBoundingClientRect());
        const passed = edges.filter((edge) => at.clientX > edge.left + edge.width / 2).length;
        if (Math.min(passed, blocks - 1) !== (Number(depth.value) || 0)) set(passed, blocks);
      };
      const stop = () => { window.removeEventListener("pointermove", move); window.removeEventListener("pointerup", stop); };
      window.addEventListener("pointermove", move);
      window.addEventListener("pointerup", stop);
    });
    return handle;
  }

  function set(value, blocks) {
    depth.value = String(Math.max(0, Math.min(value, blocks - 1)));
    draw();
    changed();
  }

  depth.addEventListener("input", draw);
  model.addEventListener("input", draw);
  teacher?.addEventListener("input", draw);
  draw();
}
