"""How long the list of 10,000 jobs takes to its first paint: ``python -m benchmarks.first_paint``.

Fills a PostgreSQL of its own with jobs, each with a complete report; the newest hundred wait, so that every
row of the first page says why. Then it serves them with keys on and opens the list in Chromium on loopback,
each time in a new window that is signed in and has nothing cached. Prints the milliseconds from the start
of the navigation. The goal is 300 ms to the first paint.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import TextClause, create_engine, text, update

from api.http.cookies import COOKIE
from benchmarks.load.record import LOCAL, prepare
from benchmarks.server import free_port, serving
from jobs.database.engine import make_engine, migrate, session_factory, transaction
from jobs.settings import Settings
from jobs.store.rights.keys import make_key
from jobs.store.rights.web_sessions import open_session
from jobs.tables import Job
from tests.fixtures.postgres_server import postgres_server

GOAL_MILLISECONDS = 300
WAITING = 100
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MEASURE = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return paint ? [page.responseEnd, paint.startTime] : null;
}"""
COPIED = tuple(column.name for column in Job.__table__.columns if column.name not in ("id", "created_at"))


@dataclass(frozen=True)
class Paint:
    """Milliseconds from the start of one navigation."""

    answered: float
    painted: float


def main() -> int:
    """Fill, serve, look, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cartl-paint-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # PostgreSQL runs as another user where we are root
        (scratch / "postgres").mkdir()
        with postgres_server(scratch / "postgres") as postgres:
            settings = Settings(data_dir=scratch / "data", database_url=_database(postgres), port=free_port())
            settings.make_directories()
            cookie = fill(settings, options.jobs)
            with serving("api", settings, scratch / "api.log") as url:
                paints = look(f"{url}/ui/jobs", cookie, options.rounds)
    _say(options.jobs, paints)
    return 0


def _database(server: str) -> str:
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE paint"))
    engine.dispose()
    return f"{server}/paint"


def fill(settings: Settings, jobs: int) -> str:
    """Tables, jobs, a key; returns the cookie of a session."""
    engine = make_engine(settings)
    migrate(engine)
    with transaction(session_factory(engine)) as session:
        first = prepare(session, 1)[0]
        done = text("CURRENT_TIMESTAMP")
        session.execute(
            update(Job).values(state="succeeded", fraction=1.0, started_at=done, finished_at=done)
        )
        session.execute(_copies(), {"first": first, "more": jobs - WAITING - 1})
        prepare(session, WAITING)
        _, row = make_key(LOCAL, "paint", "submitter")
        session.add(row)
        session.flush()
        cookie = open_session(session, row.id)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return cookie


def _copies() -> TextClause:
    """As many jobs like the first one, each a minute older than the one before."""
    columns = ", ".join(COPIED)
    return text(
        f"INSERT INTO jobs (id, created_at, {columns}) "
        f"SELECT md5(number::text), created_at - number * interval '1 minute', {columns} "
        "FROM jobs, generate_series(1, :more) AS number WHERE jobs.id = :first"
    )


def look(url: str, cookie: str, rounds: int) -> list[Paint]:
    """Open the list in so many new windows; the first one warms up and is not counted."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = [_paint(browser, url, cookie) for _ in range(rounds + 1)]
        browser.close()
    return found[1:]


def _paint(browser: Browser, url: str, cookie: str) -> Paint:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": cookie, "url": url}])
    page = context.new_page()
    page.goto(url)
    page.wait_for_function(f"({MEASURE})() !== null")
    answered, painted = page.evaluate(MEASURE)
    context.close()
    return Paint(answered, painted)


def _say(jobs: int, paints: list[Paint]) -> None:
    painted = sorted(paint.painted for paint in paints)
    middle = median(painted)
    load = os.getloadavg()[0]
    sys.stdout.write(
        f"{jobs:,} jobs, {len(paints)} new windows, {os.cpu_count()} cores, load {load:.1f}\n"
        f"answered whole: median {median(paint.answered for paint in paints):.0f} ms\n"
        f"first paint: median {middle:.0f} ms, {painted[0]:.0f} to {painted[-1]:.0f} ms; the goal of "
        f"{GOAL_MILLISECONDS} ms is {'met' if middle <= GOAL_MILLISECONDS else 'missed'}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
