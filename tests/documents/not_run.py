"""The blocks of README and docs that no test runs, by page and first line, each with its reason."""

from __future__ import annotations

SERVER = "it runs until somebody ends it; tests/end_to_end/test_up.py starts the same"
DOCKER = "needs a Docker engine; test_deploying.py asks Compose, `make test-compose` tries the stack"
CLUSTER = "needs a cluster; tests/deploy/test_chart.py renders the chart with the page's values"
INSTALL = "installs packages"
WALKED = "tests/api/operating/test_backup.py takes a backup and restores it as the page says"
LONG = "minutes or hours, and downloads"
NOT_RUN: dict[tuple[str, str], str] = {
    (
        "README.md",
        "make demo   # starts the service, runs consistent tuning beside plain transfer and CARTL, "
        "prints the report, stops",
    ): "minutes; tests/end_to_end/test_demo.py runs it on a small pair",
    ("README.md", "pip install '.'          # the command and the Python client: no torch"): INSTALL,
    ("README.md", "make serve"): SERVER,
    ("README.md", "docker compose up --build -d        # published on 127.0.0.1 only"): DOCKER,
    ("docs/tutorials/first-job.md", "make serve"): SERVER,
    ("docs/tutorials/library.md", "pip install '.[core]'"): INSTALL,
    (
        "docs/how-to/run-the-authors-pairs.md",
        ".venv/bin/python -m cartl_core fetch cifar100 --data-root .cartl/data   # and cifar10",
    ): LONG,
    (
        "docs/how-to/run-the-authors-pairs.md",
        ".venv/bin/cartl submit recipes/cifar100-to-cifar10.json --watch         # --freeze-depth 9: k = 8 "
        "instead of 6",
    ): "hours on a GPU",
    (
        "docs/how-to/run-with-compose.md",
        "docker compose up --build -d        # API, worker, PostgreSQL, Redis; CPU",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        'curl -s http://127.0.0.1:8000/jobs -H "Authorization: Bearer $KEY" '
        "-H 'Content-Type: application/json' \\",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        'curl -s http://127.0.0.1:8000/datasets -H "Authorization: Bearer $KEY" '
        "-H 'Content-Type: application/json' \\",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "docker compose --profile gpu up -d  # `down` needs the profile too",
    ): DOCKER,
    ("docs/how-to/run-with-compose.md", "docker compose up --scale worker=3 -d"): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "export CARTL_DATABASE_URL='postgresql+psycopg://cartl:PASSWORD@db.example.org:5432/cartl?"
        "sslmode=verify-full'",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "docker compose exec -T api python -m jobs keys create --owner prometheus "
        "--role viewer > metrics.key",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        f"export CARTL_PYTHON_IMAGE=python@sha256:{'0' * 64}",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "export CARTL_IMAGE_DIGEST=$(docker image inspect --format '{{.Id}}' cartl-worker:0.1.0)",
    ): DOCKER,
    (
        "docs/how-to/run-with-compose.md",
        "docker compose run --rm --no-deps api cat /opt/cartl/sbom.cdx.json > api.cdx.json",
    ): DOCKER,
    ("docs/how-to/run-on-kubernetes.md", "kubectl create namespace robust"): CLUSTER,
    (
        "docs/how-to/run-on-kubernetes.md",
        "helm install cartl charts/cartl --namespace robust --values values.yaml",
    ): CLUSTER,
    (
        "docs/how-to/run-on-kubernetes.md",
        "helm upgrade cartl charts/cartl --namespace robust --values values.yaml",
    ): CLUSTER,
    (
        "docs/how-to/move-to-another-host.md",
        ".venv/bin/python -m jobs adopt",
    ): "needs a database that was restored; tests/jobs/files/test_directory_id.py adopts its directories",
    ("docs/how-to/operate.md", "cp -a .cartl/artifacts backup-artifacts"): WALKED,
    ("docs/how-to/operate.md", "rm -rf .cartl/cartl.sqlite3* .cartl/artifacts .cartl/stages"): WALKED,
    (
        "docs/how-to/keep-files-in-a-bucket.md",
        "export CARTL_STORE=s3://cartl/production   # the bucket, and a prefix that may be empty",
    ): "needs a bucket; tests/api/operating/test_object_store.py and tests/long/test_two_hosts.py set them",
    ("docs/how-to/operate.md", "python -m jobs downgrade 0009"): "takes back what later pages need; "
    "tests/deploy/test_upgrade.py runs it",
    (
        "docs/how-to/operate.md",
        "docker compose exec -T postgres pg_dump --username cartl --format custom cartl > cartl.dump",
    ): DOCKER,
    ("docs/how-to/operate.md", "docker compose stop api worker"): DOCKER,
    (
        "docs/how-to/move-to-another-host.md",
        "rsync -a .cartl/ other-host:/srv/cartl/",
    ): "needs a second host; test_deploying.py has a stand-in for it",
    ("docs/how-to/move-to-another-host.md", "docker compose stop"): DOCKER,
    (
        "docs/how-to/track-jobs.md",
        "curl -s http://127.0.0.1:8000/webhooks -H 'Content-Type: application/json' \\",
    ): "needs a service that allows webhooks; tests/api/test_webhooks.py registers the same",
    (
        "docs/how-to/track-jobs.md",
        ".venv/bin/cartl webhooks add https://example.com/cartl --event job.succeeded --event job.failed   "
        "# prints the secret",
    ): "needs a service that allows webhooks; tests/cartl/commands/test_webhooks.py types the same",
    ("docs/how-to/move-to-another-host.md", "docker compose up --build --no-start"): DOCKER,
    (
        "docs/explanation/benchmarks.md",
        "make bench                                                  # all rows: half an hour",
    ): LONG,
    (
        "docs/explanation/benchmarks.md",
        ".venv/bin/python -m benchmarks.gpu --data-root .cartl/data --dataset cifar10 --out gpu   "
        "# eight minutes, no network",
    ): "needs a GPU; tests/test_gpu_benchmark.py rehearses it",
    ("docs/explanation/benchmarks.md", ".venv/bin/python -m benchmarks.side_by_side"): LONG,
    ("docs/explanation/benchmarks.md", ".venv/bin/python -m benchmarks.profiles consistent-epoch"): LONG,
    (
        "docs/explanation/benchmarks.md",
        ".venv/bin/python -m benchmarks.low_precision   "
        "# 1,000 images, six cells: a quarter of an hour of processor time",
    ): LONG,
    (
        "docs/explanation/benchmarks.md",
        ".venv/bin/python -m benchmarks.startup",
    ): "starts the service twice; tests/end_to_end/test_up.py starts the same",
    (
        "docs/explanation/benchmarks.md",
        "make bench-attacks                                              # all cells, 256 images, "
        "three rounds: an hour",
    ): LONG,
    (
        "docs/explanation/time.md",
        "make time-left                       # twenty jobs of different kinds as runs of the library",
    ): LONG,
    (
        "docs/study/choice.md",
        ".venv/bin/python -m study.choice            # all figures anew into choice.json: minutes",
    ): LONG,
    (
        "docs/study/rivals.md",
        ".venv/bin/python -m study.rivals                 # what is left of the plan: hours",
    ): LONG,
    ("docs/study/data.md", "make study         # one pair, one seed, anew: minutes"): LONG,
}
