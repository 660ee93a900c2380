// Operations of the API that are tried from their documentation: the same requests as of any program.
import { csrf } from "./app.js";

const MOST_SHOWN = 200_000;
const TEXT = /json|text|xml|javascript/;

function requestOf(form) {
  let path = form.dataset.try;
  const query = new URLSearchParams();
  const headers = {};
  for (const input of form.querySelectorAll("[data-in]")) {
    const value = input.value.trim();
    if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(value));
    else if (value && input.dataset.in === "query") query.append(input.name, value);
    else if (value) headers[input.name] = value;
  }
  const body = form.querySelector("[data-body]");
  if (body) headers["Content-Type"] = body.dataset.body;
  const key = document.getElementById("try-key").value.trim();
  if (key) headers.Authorization = `Bearer ${key}`;
  else if (csrf()) headers["X-CSRF-Token"] = csrf();
  const asked = String(query);
  const sent = body?.type === "file" ? body.files[0] : body?.value;
  return [path + (asked ? `?${asked}` : ""), { method: form.dataset.method, headers, body: sent, credentials: key ? "omit" : "same-origin" }];
}

// Shown as it comes: events of a running job have no end.
async function show(answer, place, save) {
  const kind = answer.headers.get("content-type") ?? "";
  if (!TEXT.test(kind)) {
    const blob = await answer.blob();
    place.textContent = `${blob.size} bytes${kind ? ` of ${kind}` : ""}`;
    save.hidden = !blob.size;
    save.href = URL.createObjectURL(blob);
    return;
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    place.textContent = text.slice(0, MOST_SHOWN);
  }
  if (kind.includes("json") && !kind.includes("jsonl")) {
    try { place.textContent = JSON.stringify(JSON.parse(text), null, 2).slice(0, MOST_SHOWN); } catch { /* shown as it came */ }
  }
}

async function send(form) {
  const answer = form.querySelector("[data-answer]");
  const status = form.querySelector("[data-status]");
  const stop = form.querySelector("[data-stop]");
  const shown = answer.querySelector("pre");
  const aborter = new AbortController();
  const started = performance.now();
  answer.hidden = stop.hidden = false;
  form.querySelector("[data-save]").hidden = true;
  shown.textContent = "";
  status.textContent = "Sent ...";
  stop.onclick = () => aborter.abort();
  try {
    const [url, options] = requestOf(form);
    const found = await fetch(url, { ...options, signal: aborter.signal });
    status.textContent = `${found.status} ${found.statusText}, ${Math.round(performance.now() - started)} ms`;
    await show(found, shown, form.querySelector("[data-save]"));
  } catch (error) {
    status.textContent = aborter.signal.aborted ? `${status.textContent}; stopped` : `No answer: ${error.message}`;
  } finally {
    stop.hidden = true;
  }
}

export function startDocs() {
  document.addEventListener("submit", (event) => {
    if (!event.target.dataset.try) return;
    event.preventDefault();
    const { method, try: path } = event.target.dataset;
    if (method !== "DELETE" || window.confirm(`Send DELETE ${path}? It cannot be undone.`)) send(event.target);
  });
  const named = document.getElementById(location.hash.slice(1));
  if (named?.tagName === "DETAILS") named.open = true;
}
