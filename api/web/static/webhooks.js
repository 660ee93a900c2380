// A webhook is registered without leaving the page, since its secret is shown this once.
import { ask, refresh, toast } from "./app.js";
import { clearFaults, markFault, wordsOf } from "./faults.js";

export function startWebhooks(form) {
  const url = form.querySelector('[data-field="url"]');
  const button = form.querySelector("[type=submit]");

  function tell(problem) {
    const others = [];
    for (const fault of problem.problem?.errors ?? []) {
      const input = form.querySelector(`[data-field="${CSS.escape(fault.field.split(".")[0])}"]`);
      if (input) markFault(input, wordsOf(fault));
      else others.push(`${fault.field}: ${wordsOf(fault)}`);
    }
    toast([problem.message, ...others].join("\n"));
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearFaults(form);
    button.disabled = true;
    const events = [...form.querySelectorAll('[data-field="events"]:checked')].map((box) => box.value);
    try {
      const made = await ask("/webhooks", { method: "POST", body: JSON.stringify({ url: url.value.trim(), events }), headers: { "Content-Type": "application/json" } });
      document.getElementById("hook-secret").value = made.secret;
      document.getElementById("made").hidden = false;
      document.getElementById("hook-secret").focus();
      url.value = "";
      await refresh();
    } catch (problem) {
      tell(problem);
    } finally {
      button.disabled = false;
    }
  });
}
