"""What no module of ours may do, read from the sources: unpickle, run text as code, compare secrets by ==."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("api", "cartl", "cartl_core", "jobs", "worker", "migrations", "benchmarks", "study", "tools")
HARMLESS = {"UnpicklingError"}
"""What may be taken of a module that unpickles: the name of its error."""
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CODE = {"eval", "exec", "compile", "__import__"}
# Module (or its usual short name), function, and the argument without which it would unpickle.
LOADERS = {("torch", "load"): "weights_only", ("np", "load"): None, ("numpy", "load"): None}


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (f"imports {name.name}" for name in names if name.name.split(".")[0] in UNPICKLERS)
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] in UNPICKLERS:
                if not {name.name for name in names} <= HARMLESS:
                    yield f"imports {module}"
            case ast.Call(func=ast.Name(id=name)) if name in CODE:
                yield f"calls {name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr=name)) if (base, name) in LOADERS:
                yield from _loads(node, base, name)


def _loads(call: ast.Call, base: str, name: str) -> Iterator[str]:
    given = {word.arg: word.value for word in call.keywords}
    if (demanded := LOADERS[base, name]) is None:
        if "allow_pickle" in given:
            yield f"calls {base}.{name} with allow_pickle"
    elif not (isinstance(value := given.get(demanded), ast.Constant) and value.value is True):
        yield f"calls {base}.{name} without {demanded}=True"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_or_run_as_code(path: Path) -> None:
    assert list(faults(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import pickle", "imports pickle"),
        ("from joblib import load", "imports joblib"),
        ("from pickle import UnpicklingError, loads", "imports pickle"),
        ("torch.load(path)", "calls torch.load without weights_only=True"),
        ("torch.load(path, weights_only=False)", "calls torch.load without weights_only=True"),
        ("np.load(path, allow_pickle=True)", "calls np.load with allow_pickle"),
        ("eval(text)", "calls eval"),
    ],
)
def test_the_reader_sees_what_it_looks_for(source: str, fault: str) -> None:
    assert list(faults(ast.parse(source))) == [fault]


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(p, weights_only=True)",
        "np.load(p)",
        "network.eval()",
        "from pickle import UnpicklingError",
    ],
)
def test_the_reader_lets_pass_what_is_allowed(source: str) -> None:
    assert list(faults(ast.parse(source))) == []


def test_a_key_is_compared_in_constant_time() -> None:
    """The one place that sees a secret hands it to ``hmac.compare_digest`` and to no ``==``."""
    tree = ast.parse((ROOT / "jobs/store/rights/keys.py").read_text())
    verify = next(
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "verify"
    )
    calls = [ast.unparse(node.func) for node in ast.walk(verify) if isinstance(node, ast.Call)]
    # With the secret of now, and with the one before a rotation.
    assert calls.count("hmac.compare_digest") == 2
    compared = [ast.unparse(node) for node in ast.walk(verify) if isinstance(node, ast.Compare)]
    assert not any("secret" in text or "hash" in text for text in compared), compared
