"""The documents agree with the code."""

import inspect
import re
from pathlib import Path

import pytest

from medsynth import hookspecs
from medsynth.data.phantom.anatomy import LESION_SHARE
from medsynth.data.phantom.rendering import DYNAMIC_RANGE, LOOKS, RICIAN_SIGMA

ROOT = Path(__file__).parents[1]
HOOKS = [value for name, value in vars(hookspecs).items() if name.startswith("medsynth_")]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_every_hook_is_documented_with_its_arguments(hook):
    signature = f"`{hook.__name__}({', '.join(inspect.signature(hook).parameters)})`"
    assert signature in (ROOT / "docs" / "hooks.md").read_text()


def test_every_link_between_documents_leads_somewhere():
    documents = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    for document in documents:
        text = document.read_text()
        for link in re.findall(r'\]\((?!https?:|#)([^)#]+)|(?:src|srcset)="([^"]+)"', text):
            assert (document.parent / "".join(link)).exists(), f"{document.name}: {link}"


def test_the_readme_is_short_and_shows_the_first_command_early():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) < 550
    assert "make demo" in "\n".join(text.splitlines()[:24])


def test_the_phantoms_page_states_the_values_the_code_uses():
    text = (ROOT / "docs" / "phantom.md").read_text()
    assert f"{LESION_SHARE:.0%}".replace("%", " %") in text
    assert f"deviation {RICIAN_SIGMA}" in text
    assert f"shows {DYNAMIC_RANGE:.0f} dB" in text
    assert LOOKS == 3
    assert "Three such scans" in text
