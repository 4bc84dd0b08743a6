"""The list of components that reach out is what the installed MONAI's source says, and none of them is free."""

import importlib
import importlib.util
import inspect
from importlib.resources import files

import pytest
from monai.bundle import ComponentLocator

from medsynth.bundle.audit.rules.arguments import rule_of, rules
from medsynth.bundle.audit.rules.targets import Names, judge_target, judge_value
from medsynth.bundle.audit.rules.wordlists import components, libraries

from .reaching import listed, package_folder, reaching


@pytest.fixture(scope="module")
def found():
    return reaching(package_folder())


def test_the_list_is_what_the_source_of_the_installed_monai_gives(found):
    text = (files("medsynth.bundle.audit.rules") / "reaching.txt").read_text("utf-8")
    assert text == listed(found), (
        "look at what is new, then: python -m tests.bundle.reaching > medsynth/bundle/audit/rules/reaching.txt"
    )


def test_no_component_that_reaches_out_may_be_named_without_a_rule(found):
    bare = {name.rpartition(".")[2] for name in found}
    free = {name for names in components().values() for name in names if name in bare and rule_of(name) is None}
    assert free == set()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("def f(): torch.hub.load('a')", "fetch"),
        ("class f(torch.nn.Module):\n    def from_pretrained(self): pass", "fetch"),
        ("def f(progress, url): pass", "fetch"),
        ("def f(): return hidden()\ndef hidden(): urlopen('a')", "fetch"),
        ("class f(Base): pass\nclass Base:\n    def g(self): open('a', mode)", "write"),
        ("def f(path): path.write_text('a')", "write"),
        ("def f(): torch.load('a', weights_only=flag)", "unpickle"),
        ("def f(): np.load('a', allow_pickle=True)", "unpickle"),
        ("def f(): subprocess.run('a')", "start"),
        ("def f(name): optional_import(name)", "look up"),
        ("def f(text): eval(text)", "look up"),
    ],
)
def test_reaching_out_is_found_in_code_in_bases_and_in_what_is_called(tmp_path, code, kind):
    (tmp_path / "package").mkdir()
    (tmp_path / "package/module.py").write_text(code)
    assert reaching(tmp_path / "package")["package.module.f"] == {kind}


def test_reading_and_computing_is_not_reaching_out(tmp_path):
    (tmp_path / "package").mkdir()
    body = ["open('a')", "x.eval()", "torch.load('a', weights_only=True)", "optional_import('a', name='b')"]
    (tmp_path / "package/module.py").write_text("\n    ".join(["def f(x):", *body]))
    assert reaching(tmp_path / "package") == {}


def test_every_rule_names_parameters_that_the_component_has():
    locator = ComponentLocator()
    for name, rule in rules().items():
        module = locator.get_component_module_name(name)
        if "." in name or name == "print" or module is None:
            continue
        component = getattr(__import__(module if isinstance(module, str) else module[0], fromlist=[name]), name)
        parameters = inspect.signature(component).parameters
        if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
            assert set(rule.kinds) <= set(parameters), name
            named = [each for each in parameters if each in rule.kinds]
            assert rule.others or list(rule.kinds) == named, f"{name}: not in the order of its parameters"


def test_a_bare_name_is_free_only_if_every_component_of_that_name_is(found):
    locator = ComponentLocator()
    for names in components().values():
        for name in names:
            modules = locator.get_component_module_name(name) or []
            places = [modules] if isinstance(modules, str) else modules
            assert rule_of(name) is not None or not any(f"{place}.{name}" in found for place in places)


def test_every_name_of_a_library_is_there():
    for path, names in libraries().items():
        module, *inner = [path]
        while importlib.util.find_spec(module.partition(".")[0]) is not None:
            try:
                holder = importlib.import_module(module)
                break
            except ImportError:
                module, _, last = module.rpartition(".")
                inner.insert(0, last)
        for name in inner:
            holder = getattr(holder, name)
        # From Python 3.12 on.
        assert {name for name in names if not hasattr(holder, name)} <= {"batched"}, path


@pytest.mark.parametrize("name", ["PerceptualLoss", "MultiModal", "ClearMLHandler", "PersistentDataset", "SaveImage"])
def test_the_reason_says_what_a_component_reaches_out_for(name):
    assert "on its own" in judge_target(name, Names()).reason


def test_what_has_a_rule_is_no_value():
    assert "handed on" in judge_value("torch.load", Names()).reason
