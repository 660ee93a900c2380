"""Values of the chart: those that it renders, and those that it refuses with the words for it."""

from __future__ import annotations

from typing import Any

DIGEST = f"sha256:{'0' * 64}"

SECRETS = {
    "database": {"urlFrom": {"name": "cartl", "key": "database-url"}},
    "broker": {"urlFrom": {"name": "cartl", "key": "broker-url"}},
}
GPU = {
    "device": "cuda",
    "gpus": 4,
    "image": {"repository": "registry.example/cartl-worker-gpu", "digest": DIGEST},
    "runtimeClassName": "nvidia",
    "settings": {"CARTL_DEFAULT_PRESET": "paper"},
    "nodeSelector": {"gpu": "h200"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
}
VALUES: dict[str, dict[str, Any]] = {
    "as little as possible": {},
    "CPU and GPU": {"workers": {"gpu": GPU}},
    "GPUs alone, two kinds": {
        "workers": {"cpu": None, "gpu": GPU, "small": GPU | {"gpus": 1, "replicas": 3}}
    },
    "no worker": {"workers": {"cpu": None}},
    "behind an ingress": {
        "api": {"trustedProxies": "10.0.0.0/8", "replicas": 3},
        "ingress": {"enabled": True, "className": "nginx", "host": "cartl.example", "tlsSecret": "tls"},
        "networkPolicy": {"apiFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]},
    },
    "everything set": {
        "nameOverride": "robust",
        "image": {"api": {"repository": "r/api", "digest": DIGEST}, "pullSecrets": [{"name": "pull"}]},
        "settings": {
            "CARTL_MEMORY_BYTES": 68719476736,
            "CARTL_MAX_JOB_EXAFLOP": 0.5,
            "CARTL_DOWNLOAD": False,
        },
        "secretSettings": {"CARTL_MLFLOW_URI": {"name": "trackers", "key": "mlflow"}},
        "storage": {"existingClaim": "images"},
        "stopGraceSeconds": 300,
        "disruptionBudget": {"maxUnavailable": "50%"},
        "networkPolicy": {
            "database": {"port": 6432, "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]},
            "workerEgress": [{"ports": [{"port": 443}]}],
        },
    },
    "files in a bucket": {
        "objectStore": {
            "url": "s3://cartl/production",
            "endpoint": "https://s3.example",
            "credentialsFrom": "bucket",
        },
        "workers": {"gpu": GPU},
    },
    "no network policies": {"networkPolicy": {"enabled": False}},
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no database": ({"database": {"urlFrom": {"name": ""}}}, "/database/urlFrom/name"),
    "no broker": ({"broker": {"urlFrom": {"name": ""}}}, "/broker/urlFrom/name"),
    "a URL with its password": ({"database": {"url": "postgresql://a:b@c/d"}}, "'url' not allowed"),
    "a setting that the chart makes": (
        {"settings": {"CARTL_DATABASE_URL": "sqlite:///x"}},
        "CARTL_DATABASE_URL",
    ),
    "a digest of another image than the one that runs": (
        {"settings": {"CARTL_IMAGE_DIGEST": DIGEST}},
        "CARTL_IMAGE_DIGEST",
    ),
    "a setting of something else": ({"settings": {"PATH": "/"}}, "PATH"),
    "a GPU class without GPUs": ({"workers": {"gpu": {"device": "cuda"}}}, "needs gpus"),
    "a device that is none": ({"workers": {"cpu": {"device": "tpu"}}}, "/workers/cpu"),
    "a class whose name is none": ({"workers": {"My GPUs": {}}}, "My GPUs"),
    "a misspelt value": ({"api": {"replica": 2}}, "replica"),
    "a digest that is none": (
        {"image": {"api": {"repository": "a", "digest": "latest"}}},
        "/image/api/digest",
    ),
    "a bucket without credentials": ({"objectStore": {"url": "s3://cartl"}}, "/objectStore/credentialsFrom"),
    "a bucket that is none": ({"objectStore": {"url": "/srv/files"}}, "/objectStore/url"),
    "an ingress without TLS": ({"ingress": {"enabled": True, "host": "a"}}, "tlsSecret"),
    "an ingress that nobody trusts": (
        {"ingress": {"enabled": True, "host": "a", "tlsSecret": "t"}},
        "needs api.trustedProxies",
    ),
}
