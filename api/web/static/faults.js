// What is wrong with an input, told at its field and to whoever hears the page.
export function markFault(input, words) {
  const field = input?.closest(".field");
  if (!field || field.querySelector(".fault")) return;
  const note = document.createElement("span");
  note.className = "fault";
  note.id = `${input.id}-fault`;
  note.textContent = words;
  field.classList.add("wrong");
  field.append(note);
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", note.id);
  for (let at = field.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
}

export function clearFaults(place) {
  for (const field of place.querySelectorAll(".field.wrong")) {
    // A part with requests of its own keeps what was told of them.
    const part = field.closest("[data-upload]");
    if (part && part !== place) continue;
    field.classList.remove("wrong");
    field.querySelector(".fault")?.remove();
    for (const input of field.querySelectorAll("[aria-invalid]")) {
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-describedby");
    }
  }
}

export function wordsOf(fault) {
  return fault.message + (fault.allowed ? ` (allowed: ${fault.allowed})` : "");
}
