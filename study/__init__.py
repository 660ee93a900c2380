"""The study: which transfer keeps robustness, measured on a plan that was written down first.

``plan.toml`` says what is compared and how; ``results/PAIR.jsonl`` holds one row for each teacher and each
finished cell; ``docs/study/`` has the tables that ``study.tables`` makes from the rows.
"""
