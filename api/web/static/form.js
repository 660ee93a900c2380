// The form of a new job: values by their path in the request, an estimate as one types, faults at their fields.
import { ask, toast } from "./app.js";
import { clearFaults, markFault, wordsOf } from "./faults.js";
import { drawBlocks } from "./freeze_line.js";
import { asCurl, asJson, asPython } from "./same_request.js";
import { startUpload } from "./upload.js";

const WAIT_MILLISECONDS = 400;

function read(input) {
  if (input.type === "checkbox") return "item" in input.dataset ? (input.checked ? input.value : undefined) : input.checked;
  const text = input.value.trim();
  if (text === "") return undefined;
  const ratio = /^(\d+(?:\.\d+)?)\/(\d+)$/.exec(text);
  if (input.dataset.kind === "number" && ratio) return Number(ratio[1]) / Number(ratio[2]);
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
    clearFaults(form);
    general.hidden = true;
  }

  function tell(problem, all) {
    const others = [];
    for (const fault of problem?.errors ?? []) {
      const words = wordsOf(fault);
      const input = nearest(fault.field);
      if (!input) others.push(`${fault.field}: ${words}`);
      else if (all || touched.has(input.dataset.path) || input.value) markFault(input, words);
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

  function parsed() {
    try {
      return requestOf(form);
    } catch {
      markFault(form.querySelector("#more"), "This is no JSON.");
      return null;
    }
  }

  // A data set that was just added here is the one that is meant.
  function choose(added) {
    const select = form.querySelector('[data-path="dataset.name"]');
    if (![...select.options].some((one) => one.value === added.name)) select.add(new Option(added.name), 1);
    select.value = added.name;
    look();
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
      form.dataset.network = found.spec.model?.name ?? "";
      draw();
    } catch (problem) {
      if (mine !== asked) return;
      estimate.textContent = "No estimate yet.";
      tellNeeded(form, []);
      tell(problem.problem, all);
    }
  }

  function tellCode(request) {
    form.querySelector("#as-json").value = asJson(request);
    form.querySelector("#as-curl").value = asCurl(request, location.origin);
    form.querySelector("#as-python").value = asPython(request, location.origin);
  }

  const send = (request) => ({ method: "POST", body: JSON.stringify(request), headers: { "Content-Type": "application/json" } });
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(look, WAIT_MILLISECONDS);
    // What is copied is never older than what is seen.
    try { tellCode(requestOf(form)); } catch { /* no JSON yet: `look` says so */ }
  };

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
  const draw = drawBlocks(form, soon);
  for (const place of form.querySelectorAll("[data-upload]")) startUpload(place, choose);
  const began = form.querySelector("#began-with");
  if (began) look(true);
  else look();
}
