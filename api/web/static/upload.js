// Uploads of data sets and teachers: a place first, then the bytes with a bar. A folder is sent as a tar.
import { ask, csrf, toast } from "./app.js";
import { filesOf, named } from "./dropped.js";
import { clearFaults, markFault, wordsOf } from "./faults.js";
import { tarOf } from "./tar.js";

const LOOK_MILLISECONDS = 1000;

function send(url, content, bar) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (csrf()) request.setRequestHeader("X-CSRF-Token", csrf());
    request.upload.addEventListener("progress", (event) => { bar.value = event.loaded / content.size; });
    request.addEventListener("load", () => {
      if (request.status < 300) return resolve();
      let detail = request.statusText;
      try { detail = JSON.parse(request.responseText).detail; } catch { /* no problem document */ }
      return reject(new Error(detail));
    });
    request.addEventListener("error", () => reject(new Error("The connection broke off. Try again; the place is kept for a while.")));
    request.send(content);
  });
}

const nameFrom = (path) => path.split("/")[0].replace(/\.[^.]+$/, "").toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 64);

// Where it is checked, until it is ready; throws what it was rejected for.
async function ready(url, told) {
  for (;;) {
    const found = await ask(url);
    if (found.state === "ready") return found;
    if (found.state === "rejected") throw new Error(found.message);
    told.textContent = "Every file is being looked at ...";
    await new Promise((done) => { setTimeout(done, LOOK_MILLISECONDS); });
  }
}

// A form of its own, or a part of another form: then `added` is told what was added, and the page stays.
export function startUpload(place, added = null) {
  const where = place.dataset.upload;
  const drop = place.querySelector(".drop");
  const bar = place.querySelector("progress");
  const told = place.querySelector("[data-chosen]");
  const name = place.querySelector('[data-field="name"]');
  const button = place.querySelector("[data-send]");
  let chosen = [];

  function choose(files) {
    chosen = files;
    told.textContent = !files.length ? "Nothing chosen." : files.length === 1 ? files[0][0] : `${files.length} files`;
    if (!name.value && files.length) name.value = nameFrom(files[0][0]);
  }

  function request(size) {
    const asked = { size };
    for (const input of place.querySelectorAll("[data-field]")) {
      const text = input.value.trim();
      if (text) asked[input.dataset.field] = input.inputMode === "decimal" && !Number.isNaN(Number(text)) ? Number(text) : text;
    }
    const more = place.querySelector("[data-settings]")?.value.trim();
    return { ...asked, ...(more ? JSON.parse(more) : {}) };
  }

  function tell(problem) {
    const others = [];
    for (const fault of problem.problem?.errors ?? []) {
      const input = place.querySelector(`[data-field="${CSS.escape(fault.field)}"]`);
      if (input) markFault(input, wordsOf(fault));
      else others.push(`${fault.field}: ${wordsOf(fault)}`);
    }
    toast([problem.message, ...others].join("\n"));
  }

  async function submit() {
    clearFaults(place);
    if (!chosen.length) return toast("Choose a file or a folder first.");
    button.disabled = true;
    try {
      const alone = chosen.length === 1 && !chosen[0][0].includes("/");
      const content = alone ? chosen[0][1] : tarOf(chosen);
      const made = await ask(where, { method: "POST", body: JSON.stringify(request(content.size)), headers: { "Content-Type": "application/json" } });
      bar.hidden = false;
      await send(`${where}/${made.id}/content`, content, bar);
      if (!added) return window.location.assign(`/ui${where}/${made.id}`);
      added(await ready(`${where}/${made.id}`, told));
      told.textContent = `${made.name} is ready and chosen.`;
    } catch (problem) {
      tell(problem);
    } finally {
      button.disabled = false;
      bar.hidden = true;
    }
    return undefined;
  }

  for (const input of place.querySelectorAll("input[type=file]")) input.addEventListener("change", () => choose(named(input.files)));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    try {
      choose(await filesOf(event.dataTransfer));
    } catch {
      toast("What was dropped cannot be read. Choose it with the button.");
    }
  });
  if (place.tagName === "FORM") place.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  else {
    button.addEventListener("click", submit);
    // The form around it is not what is meant.
    place.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.dataset.field) { event.preventDefault(); submit(); } });
  }
}
