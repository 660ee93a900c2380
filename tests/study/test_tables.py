from __future__ import annotations

import re

import pytest

from study.book import Book, read_book
from study.compare import accuracy
from study.marks import NOT_RUN
from study.plan import Plan, cells
from study.rows import RESULTS, read_rows, students
from study.tables import DOCUMENT, TABLES, filled


def test_the_document_holds_the_tables_that_the_rows_give() -> None:
    document = DOCUMENT.read_text()
    assert re.findall(r"<!-- table (\S+) -->", document), "the document has lost its tables"
    assert filled(document, read_book()) == document, "run: python -m study.tables"


def test_every_row_is_of_the_committed_plan() -> None:
    book = read_book()
    assert {path.stem for path in RESULTS.glob("*.jsonl")} <= set(book.pairs())
    for pair in book.pairs():
        names = [row["cell"] for row in students(read_rows(pair))]
        assert len(set(names)) == len(names)
        assert set(names) <= {cell.name for cell in cells(book.plan, pair)}


def test_what_was_not_run_is_said_to_be(plan: Plan) -> None:
    empty = Book(plan, {"digits": []})
    assert NOT_RUN in TABLES["main"](empty)
    assert NOT_RUN in TABLES["cells"](empty)
    assert "| all | 0 | 2 |" in TABLES["progress"](empty)


def test_every_table_can_be_made_from_finished_cells(finished: Book) -> None:
    made = {name: table(finished) for name, table in TABLES.items()}
    assert "| all | 2 | 2 |" in made["progress"]
    assert NOT_RUN not in made["main"]
    assert made["main"].count("\n") == 2
    assert made["cells"].count("\n") == 3
    plain = finished.baseline("digits", 0)
    assert plain is not None
    assert f"{100 * accuracy(plain, 'pgd100'):.1f}" in made["main"]


def test_a_table_that_does_not_exist_is_an_error(plan: Plan) -> None:
    with pytest.raises(KeyError):
        filled("<!-- table none -->\n<!-- end -->", Book(plan, {"digits": []}))
