// Uploads of data sets and teachers: a place first, then the bytes with a bar. A folder is sent as a tar.
import { ask, csrf, toast } from "./app.js";

const BLOCK = 512;
const encoder = new TextEncoder();

function field(header, start, text, length) {
  header.set(encoder.encode(text).subarray(0, length), start);
}

// A ustar header (POSIX.1-1988) of a plain file; a long name is split at a slash into prefix and name.
function headerOf(path, size) {
  const header = new Uint8Array(BLOCK);
  let name = path;
  let prefix = "";
  if (encoder.encode(name).length > 100) {
    const cut = [...path.matchAll(/\//g)].map((found) => found.index).find((at) => encoder.encode(path.slice(at + 1)).length <= 100);
    if (cut === undefined || encoder.encode(path.slice(0, cut)).length > 155) throw new Error(`The name ${path} is too long for an archive.`);
    prefix = path.slice(0, cut);
    name = path.slice(cut + 1);
  }
  field(header, 0, name, 100);
  field(header, 100, "0000644\0", 8);
  field(header, 108, "0000000\0", 8);
  field(header, 116, "0000000\0", 8);
  field(header, 124, `${size.toString(8).padStart(11, "0")}\0`, 12);
  field(header, 136, "00000000000\0", 12);
  field(header, 148, "        ", 8);
  field(header, 156, "0", 1);
  field(header, 257, "ustar\0" + "00", 8);
  field(header, 345, prefix, 155);
  const sum = header.reduce((total, byte) => total + byte, 0);
  field(header, 148, `${sum.toString(8).padStart(6, "0")}\0 `, 8);
  return header;
}

// A Blob over the files themselves: nothing is read before it is sent.
export function tarOf(files) {
  const parts = [];
  const named = [...files].map((file) => [file.webkitRelativePath || file.name, file]);
  for (const [path, file] of named.sort(([a], [b]) => (a < b ? -1 : 1))) {
    parts.push(headerOf(path, file.size), file, new Uint8Array((BLOCK - (file.size % BLOCK)) % BLOCK));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts, { type: "application/octet-stream" });
}

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

export function startUpload(form) {
  const where = form.dataset.upload;
  const drop = form.querySelector(".drop");
  const bar = form.querySelector("progress");
  let chosen = [];

  const choose = (files) => {
    chosen = [...files];
    form.querySelector("#chosen").textContent = chosen.length === 1 ? chosen[0].name : `${chosen.length} files`;
    const name = form.querySelector('[name="name"]');
    if (!name.value && chosen.length)
      name.value = (chosen[0].webkitRelativePath.split("/")[0] || chosen[0].name.replace(/\.[^.]+$/, "")).toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 64);
  };
  for (const input of form.querySelectorAll("input[type=file]")) input.addEventListener("change", () => choose(input.files));
  drop?.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop?.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop?.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); choose(event.dataTransfer.files); });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!chosen.length) return toast("Choose a file or a folder first.");
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      const alone = chosen.length === 1 && !chosen[0].webkitRelativePath;
      const content = alone ? chosen[0] : tarOf(chosen);
      const body = { name: form.querySelector('[name="name"]').value.trim(), size: content.size, ...JSON.parse(form.querySelector("#settings")?.value.trim() || "{}") };
      const made = await ask(where, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
      bar.hidden = false;
      await send(`${where}/${made.id}/content`, content, bar);
      window.location.assign(`/ui${where}/${made.id}`);
    } catch (problem) {
      toast([problem.message, ...(problem.problem?.errors ?? []).map((fault) => `${fault.field}: ${fault.message}`)].join("\n"));
    } finally {
      button.disabled = false;
    }
    return undefined;
  });
}
