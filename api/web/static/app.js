// Pages that keep themselves up to date, buttons that ask the service, curves. No framework, no build step.
import { drawCurves } from "./curves.js";
import { startDocs } from "./docs.js";
import { startForm } from "./form.js";
import { startUpload } from "./upload.js";
import { startWebhooks } from "./webhooks.js";

const LIVE_MILLISECONDS = 2000;
const CURVE_MILLISECONDS = 4000;

export const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content;

// An answer of the service; a problem is thrown as an Error whose `problem` is its document.
export async function ask(url, options = {}) {
  const headers = { Accept: "application/json", ...(options.headers ?? {}) };
  if (csrf()) headers["X-CSRF-Token"] = csrf();
  let answer;
  try {
    answer = await fetch(url, { ...options, headers, credentials: "same-origin" });
  } catch {
    throw new Error("The service does not answer. Is it running?");
  }
  const text = await answer.text();
  const kind = answer.headers.get("content-type") ?? "";
  const body = kind.includes("json") && text ? JSON.parse(text) : text;
  if (answer.status === 401) window.location.assign(`/ui/sign-in?next=${encodeURIComponent(location.pathname)}`);
  if (!answer.ok) throw Object.assign(new Error(body.detail ?? answer.statusText), { problem: body });
  return body;
}

export function toast(text, kind = "bad") {
  const note = document.createElement("p");
  note.className = `notice ${kind}`;
  note.textContent = text;
  document.getElementById("toast").append(note);
  setTimeout(() => note.remove(), 8000);
}

// Times in words, with the exact one in a tooltip.
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function tellTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
    const words = Math.abs(seconds) < 5 ? "just now" : relative.format(Math.round(seconds / size), unit);
    if (time.textContent !== words) time.textContent = words;
  }
}

// Parts marked `data-live` take the new page's text where it differs, child by child, so that the focus stays.
function take(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const keyed = [...fresh.children].length && [...fresh.children].every((child) => child.id);
  if (!keyed || old.tagName !== fresh.tagName) return replace(old, fresh);
  const known = new Map([...old.children].map((child) => [child.id, child]));
  let place = null;
  for (const child of fresh.children) {
    const mine = known.get(child.id);
    const kept = mine ?? child.cloneNode(true);
    if (mine && !same(mine, child)) replace(mine, child);
    if (!mine) (place ? place.after(kept) : old.prepend(kept));
    known.delete(child.id);
    place = document.getElementById(child.id);
  }
  for (const gone of known.values()) gone.remove();
}

function same(mine, child) {
  const copy = mine.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.textContent = time.title.slice(0, 16);
  return copy.isEqualNode(child);
}

function replace(old, fresh) {
  const copy = fresh.cloneNode(true);
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  for (const box of old.querySelectorAll("input[type=checkbox]:checked"))
    copy.querySelector(`input[value="${CSS.escape(box.value)}"]`)?.setAttribute("checked", "");
  const path = focused && [...old.querySelectorAll("a, button, input")].indexOf(focused);
  old.replaceWith(copy);
  if (focused) copy.querySelectorAll("a, button, input")[path]?.focus();
}

let etag = null;
export async function refresh() {
  const url = document.querySelector("[data-live-url]")?.dataset.liveUrl;
  if (!url || document.hidden) return;
  let answer;
  try {
    answer = await fetch(url, { headers: { Accept: "text/html", "X-Live": etag ?? "-" }, credentials: "same-origin" });
  } catch {
    return;
  }
  if (answer.status === 401) return window.location.reload();
  if (!answer.ok || answer.status === 204) return;
  etag = answer.headers.get("x-live");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    // The first row of a list, say: the page is another one.
    if (fresh?.tagName !== old.tagName) return window.location.reload();
    take(old, fresh);
  }
  tellTimes();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { post, method, body, then, sure, link, copy } = button.dataset;
  if (!post && !link && !copy) return;
  event.preventDefault();
  if (sure && !window.confirm(sure)) return;
  button.disabled = true;
  try {
    if (copy) {
      await navigator.clipboard.writeText(document.getElementById(copy).value ?? document.getElementById(copy).textContent);
      toast("Copied.", "good");
    } else if (link) {
      const made = await ask(link, { method: "POST" });
      await navigator.clipboard.writeText(new URL(made.url, location.href).href);
      toast(`Copied a link that works until ${new Date(made.expires_at).toLocaleString()}, or until your key ends.`, "good");
    } else {
      await ask(post, { method: method ?? "POST", ...(body && { body, headers: { "Content-Type": "application/json" } }) });
      if (then) window.location.assign(then);
      else await refresh();
    }
  } catch (problem) {
    toast(problem.message);
  } finally {
    button.disabled = false;
  }
});

document.addEventListener("change", (event) => {
  if (event.target.dataset?.submit !== undefined) event.target.form.requestSubmit();
});

// A report in a frame is as tall as what it shows.
for (const frame of document.querySelectorAll("iframe.report")) {
  const fit = () => {
    const height = frame.contentDocument?.documentElement?.scrollHeight;
    if (height) frame.style.height = `${height + 24}px`;
  };
  frame.addEventListener("load", fit);
  window.addEventListener("resize", fit);
  fit();
  if (!frame.dataset.reload) continue;
  const again = () => frame.contentWindow.location.reload();
  const timer = setInterval(again, 1000 * frame.dataset.reload);
  // Once more when the job has ended: what says that it has not is gone.
  const watched = document.getElementById(frame.dataset.until);
  new MutationObserver(() => {
    if (document.getElementById(frame.dataset.until).childElementCount) return;
    clearInterval(timer);
    again();
  }).observe(watched.parentElement, { childList: true });
}

tellTimes();
setInterval(tellTimes, 10000);
if (document.querySelector("[data-live-url]")) setInterval(refresh, LIVE_MILLISECONDS);
for (const place of document.querySelectorAll("[data-curves]")) {
  const draw = () => document.hidden || ask(place.dataset.curves).then((found) => drawCurves(place, found.data)).catch(() => {});
  draw();
  setInterval(draw, CURVE_MILLISECONDS);
}
for (const form of document.querySelectorAll("form[data-job-form]")) startForm(form);
for (const form of document.querySelectorAll("form[data-upload]")) startUpload(form);
for (const form of document.querySelectorAll("form[data-webhook-form]")) startWebhooks(form);
if (document.querySelector("[data-docs]")) startDocs();
