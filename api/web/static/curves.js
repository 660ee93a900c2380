// Metrics of a job as line charts, one for each kind of figure, drawn by uPlot (vendor/uplot.js).
const TITLES = {
  loss: "Loss", clean_accuracy: "Clean accuracy", robust_accuracy: "Robust accuracy", cross_entropy: "Cross-entropy",
  feature_distance: "Feature distance", feature_distance_over_spread: "Feature distance / spread", learning_rate: "Learning rate",
};
const ORDER = Object.keys(TITLES);
// Told apart without colour by their dashes.
const LIGHT = ["#0b5cad", "#c2510a", "#2c7a4b", "#8a3ffc", "#a3195b", "#6b5f00"];
const DARK = ["#7db7f5", "#f2a46b", "#7fd6a2", "#c9a6ff", "#ff9ecb", "#d9cf6a"];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 4]];

let library = null;
function uplot() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("vendor/uplot.js", import.meta.url).href;
    script.onload = () => resolve(window.uPlot);
    script.onerror = reject;
    document.head.append(script);
  });
  return library;
}

function byFigure(series) {
  const found = new Map();
  for (const one of series) {
    const cut = one.name.lastIndexOf("/");
    const figure = one.name.slice(cut + 1);
    if (!found.has(figure)) found.set(figure, []);
    found.get(figure).push({ label: one.name.slice(0, cut), points: one.points });
  }
  const rank = (figure) => (ORDER.includes(figure) ? ORDER.indexOf(figure) : ORDER.length);
  return [...found].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
}

function table(lines) {
  const steps = [...new Set(lines.flatMap((line) => line.points.map(([step]) => step)))].sort((a, b) => a - b);
  const values = lines.map((line) => {
    const at = new Map(line.points);
    return steps.map((step) => at.get(step) ?? null);
  });
  return [steps, ...values];
}

export async function drawCurves(place, series) {
  const digest = JSON.stringify(series.map((one) => [one.name, one.total]));
  if (!series.length || place.dataset.drawn === digest) return;
  place.dataset.drawn = digest;
  const UPlot = await uplot();
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const colours = dark ? DARK : LIGHT;
  const ink = getComputedStyle(document.body).color;
  const grid = dark ? "#39424f" : "#e3e8ee";
  place.replaceChildren();
  // All boxes first: how wide one is hangs on how many there are.
  const drawn = byFigure(series).map(([figure, lines]) => {
    const box = document.createElement("section");
    box.className = "chart";
    const title = document.createElement("h3");
    title.textContent = TITLES[figure] ?? figure.replaceAll("_", " ");
    box.append(title);
    place.append(box);
    return { figure, lines, box, title };
  });
  for (const { figure, lines, box, title } of drawn) {
    const share = figure.endsWith("accuracy");
    const axis = { stroke: ink, grid: { stroke: grid }, ticks: { stroke: grid } };
    const shown = (value) => (value == null ? "-" : share ? `${(100 * value).toFixed(1)} %` : Number(value.toPrecision(4)).toString());
    new UPlot(
      {
        width: Math.max(260, box.clientWidth),
        height: 230,
        scales: { x: { time: false } },
        axes: [{ ...axis, label: "epoch", incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }, { ...axis, size: 64, values: (_, ticks) => ticks.map(shown) }],
        series: [
          { label: "epoch" },
          ...lines.map((line, index) => ({
            label: line.label, stroke: colours[index % colours.length], width: 2, dash: DASHES[index % DASHES.length],
            points: { show: line.points.length < 40, size: 6 }, spanGaps: true, value: (_, value) => shown(value),
          })),
        ],
      },
      table(lines),
      box,
    );
    box.querySelector("canvas")?.setAttribute("role", "img");
    box.querySelector("canvas")?.setAttribute("aria-label", describe(title.textContent, lines, shown));
  }
}

function describe(title, lines, shown) {
  const last = lines.map((line) => `${line.label}: ${shown(line.points.at(-1)[1])} at epoch ${line.points.at(-1)[0]}`);
  return `${title} by epoch. Latest: ${last.join("; ")}.`;
}
