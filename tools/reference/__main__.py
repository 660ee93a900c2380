"""Write the pages of docs/reference, or with ``--check`` say which are not what the code makes."""

from __future__ import annotations

import argparse
import sys

from tools.reference import FOLDER, made


def main() -> int:
    """Write or check; 1 if a page is not as the code says."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=__doc__)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    pages = made()
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    if asked.check:
        wrong = sorted(name for name in pages.keys() | present.keys() if pages.get(name) != present.get(name))
        sys.stdout.writelines(f"{name} is not what the code makes\n" for name in wrong)
        return int(bool(wrong))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in present.keys() - pages.keys():
        (FOLDER / name).unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
