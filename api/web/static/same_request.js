// A request as a program would send it: as JSON, with curl, in Python.
export function asJson(request) {
  return JSON.stringify(request, null, 2);
}

export function asCurl(request, base) {
  const body = JSON.stringify(request).replaceAll("'", "'\\''");
  return `curl -s ${base}/jobs -H "Authorization: Bearer $CARTL_KEY" -H 'Content-Type: application/json' -d '${body}'`;
}

export function asPython(request, base) {
  return [
    "import os", "", "from cartl import Client", "",
    `with Client(${literal(base)}, os.environ.get("CARTL_KEY")) as client:`,
    `    job = client.submit(${literal(request, "    ")})`,
    "    print(job.id)",
    "    print(job.wait().report().headline)", "",
  ].join("\n");
}

// A value of JSON as Python writes it. JSON's strings are strings of Python as well.
function literal(value, indent = "") {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((one) => literal(one, indent)).join(", ")}]`;
  const inner = `${indent}    `;
  const lines = Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${literal(one, inner)},\n`);
  return lines.length ? `{\n${lines.join("")}${indent}}` : "{}";
}
