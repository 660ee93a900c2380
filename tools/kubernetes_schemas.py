"""``python -m tools.kubernetes_schemas WHEEL``: the schemas that the chart's tests check manifests against.

WHEEL is one of the package kubernetes-validate, which has the schemas of every version of Kubernetes.
Those of the kinds that the chart makes are kept in ``tests/deploy/kubernetes``, without the prose.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "tests/deploy/kubernetes"
VERSIONS = ("1.29", "1.37")
"""The oldest that Chart.yaml allows, and the newest when the schemas were taken."""
KINDS = (
    "deployment-apps-v1",
    "ingress-networking-v1",
    "job-batch-v1",
    "networkpolicy-networking-v1",
    "persistentvolumeclaim-v1",
    "poddisruptionbudget-policy-v1",
    "service-v1",
    "serviceaccount-v1",
)
REFERENCE = re.compile(r'"[^"]*#/\$defs/([^"]+)"')


def schemas(wheel: Path, version: str) -> dict[str, Any]:
    """One schema: `$defs` has each kind as `Kind.group/version`, and all that it refers to.

    Unknown fields are refused, as `kubectl apply --validate=strict` does.
    """
    with zipfile.ZipFile(wheel) as archive:
        folder = f"kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict/"
        known = json.loads(archive.read(f"{folder}_definitions.json"))["$defs"]
        kinds = {kind: json.loads(archive.read(f"{folder}{kind}.json")) for kind in KINDS}
    needed: dict[str, Any] = {}
    waiting: list[Any] = list(kinds.values())
    while waiting:
        for name in REFERENCE.findall(json.dumps(waiting.pop())):
            if name not in needed:
                needed[name] = known[name]
                waiting.append(known[name])
    named = {_name(schema): schema for schema in kinds.values()}
    return {"$defs": _bare({**needed, **named})}


def _name(schema: dict[str, Any]) -> str:
    (kind,) = schema["x-kubernetes-group-version-kind"]
    group = f"{kind['group']}/" if kind["group"] else ""
    return f"{kind['kind']}.{group}{kind['version']}".replace("/", "~")


def _bare(schema: Any) -> Any:
    """Without prose and annotations; references stay within the file."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for name, value in schema.items():
        if name in ("$id", "$schema") or name.startswith("x-"):
            continue
        if name == "description" and isinstance(value, str):
            continue
        kept[name] = f"#/$defs/{value.rpartition('/')[2]}" if name == "$ref" else _bare(value)
    return kept


def main() -> int:
    """Write a file for each version."""
    for version in VERSIONS:
        text = json.dumps(schemas(Path(sys.argv[1]), version), sort_keys=True, indent=None)
        (FOLDER / f"v{version}.json").write_text(text.replace('}, "io.', '},\n"io.') + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
