"""Expressions: hostile ones are found whatever they are wrapped in, honest ones pass."""

import pytest

from medsynth.bundle.audit import Verdict

from .samples import files

CALLS = {
    "__import__": "$__import__('os').system('touch CANARY')",
    "import and call": "$os.system('touch CANARY')",
    "eval": "$eval('__imp' + 'ort__(\"os\").system(\"touch CANARY\")')",
    "exec": '$exec(\'open("CANARY", "w")\')',
    "compile": "$eval(compile('open(\"CANARY\", \"w\")', 'a', 'eval'))",
    "breakpoint": "$breakpoint()",
    "write": "$open('CANARY', 'w').write('x')",
    "write mode as keyword": "$open('CANARY', mode='a').write('x')",
    "computed mode": "$open('CANARY', chr(119)).write('x')",
    "mode in a mapping": "$open('CANARY', **{'mode': 'w'}).write('x')",
    "subclasses": "$().__class__.__base__.__subclasses__()[0]",
    "globals of a method": "$@network.forward.__globals__['os'].system('touch CANARY')",
    "globals of a function": "$(lambda: 0).__globals__",
    "code object": "$(lambda: 0).__code__",
    "generator frame": "$(i for i in [1]).gi_frame.f_builtins['eval']('1')",
    "mapping of references": "$__local_refs.__class__",
    "builtins": "$__builtins__['eval']('1')",
    "getattr with a computed name": "$getattr(os, 'sys' + 'tem')('touch CANARY')",
    "getattr of a dangerous name": "$getattr(os, 'system')('touch CANARY')",
    "getattr of a dunder": "$getattr(torch, '__builtins__')['exec']('1')",
    "setattr with a computed name": "$setattr(torch, chr(97), 1)",
    "through torch": "$torch.os.system('touch CANARY')",
    "through a submodule": "$torch.serialization.os.system('touch CANARY')",
    "through numpy": "$np.lib.format.os.system('touch CANARY')",
    "through monai": "$monai.utils.misc.subprocess.run(['touch', 'CANARY'])",
    "through monai.bundle": "$monai.bundle.scripts.os.system('touch CANARY')",
    "locating by name": "$monai.utils.module.instantiate('os.system', 'default', command='touch CANARY')",
    "another config parser": "$monai.bundle.ConfigParser({'a': '$1'}).get_parsed_content('a')",
    "module as a value": "$(lambda m: m.system('touch CANARY'))(os)",
    "module in a list": "$[o.system for o in [os]][0]('touch CANARY')",
    "lambda default": "$(lambda f=os.system: f('touch CANARY'))()",
    "comprehension condition": "$[1 for _ in [0] if os.system('touch CANARY') == 0]",
    "conditional": "$1 if True else os.system('touch CANARY')",
    "walrus": "$(o := os).system('touch CANARY')",
    "f-string": "$f'{os.system(\"touch CANARY\")}'",
    "format string": "$'{0.__class__.__mro__}'.format(1)",
    "starred": "$print(*[os.popen('touch CANARY')])",
    "subscript": "$[os.system][0]('touch CANARY')",
    "subprocess import": "$import subprocess",
    "from import": "$from os import system as length",
    "import of a hidden name": "$from os.path import os as path",
    "importlib": "$import importlib",
    "ctypes": "$import ctypes as np",
    "socket": "$import socket",
    "hub": "$torch.hub.load('a/b', 'c')",
    "library": "$torch.ops.load_library('models/a.so')",
    "unlink": "$@path.unlink()",
    "rmtree": "$shutil.rmtree('CANARY')",
    "map over eval": "$list(map(eval, ['1']))",
    "write_text": "$pathlib.Path('CANARY').write_text('x')",
    "to a file": "$np.zeros(3).tofile('CANARY')",
    "fullwidth letters": "$\uff4f\uff53.system('touch CANARY')",
    "mathematical letters": "$\U0001d41e\U0001d42f\U0001d41a\U0001d425('1')",
    "Cyrillic letter": "$t\u043erch.device('cpu')",
    "zero-width letter": "$torch\u200b.device('cpu')",
    "direction override": "$'a\u202e' + os.sep",
    "reference as an operator": "$'@in'",
    "nesting": "$" + "(" * 150 + "1" + ")" * 150 + ".__class__",
}
TRUSTED = {
    "unknown name": "$surprise(1)",
    "bundle's own code": "$scripts.nets.build()",
    "import of own code": "$from scripts.nets import Net",
    "relative import": "$from . import x",
    "star import": "$from scripts import *",
    "several imports": "$import os, glob",
    "statement": "$x = 1",
    "two statements": "$1; 2",
    "broken": "$1 +",
    "await": "$await x",
    "module": "$os",
    "reading a file": "$open('labels.txt').read()",
    "unknown attribute": "$@network.surprise()",
    "rename": "$@path.replace('other')",
    "pickled array": "$np.load('a.npy', allow_pickle=True)",
    "pickled weights": "$torch.load('a.pt', weights_only=False)",
    "environment": "$os.environ['HOME']",
    "address": "$torch.distributed.init_process_group('gloo', init_method='tcp://example.org:1')",
    "absolute path": "$glob.glob('/etc/*')",
    "home": "$os.path.join('~/data', 'a')",
    "parent folder": "$os.path.join(@bundle_root, '../../other')",
    "shadowed import": "$import scripts as torch",
    "private": "$torch.nn._reduction.get_enum('mean')",
}
HARMLESS = (
    "$import glob",
    "$from pathlib import Path",
    "$import numpy as np",
    "$import torch.distributed as dist",
    "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "$sorted(glob.glob(os.path.join(@bundle_root, '*.png')))",
    "$[{'image': i, 'label': l} for i, l in zip(@images, @labels)]",
    "$@images[: int(len(@images) * 0.8)]",
    "$lambda x: x['pred'][1:2]",
    "$@network_def.to(@device)",
    "$@network.parameters()",
    "$@evaluator.run()",
    "$@train#trainer.run()",
    "$@validate::handlers::0.set_trainer(trainer=@train::trainer)",
    "$not os.path.exists(@ckpt_path)",
    "$@bundle_root + '/models/model.pt'",
    "$str(@bundle_root) + '/eval'",
    "$monai.handlers.from_engine(['pred', 'label'])",
    "$monai.utils.set_determinism(seed=123)",
    "$monai.data.utils.pad_list_data_collate",
    "$monai.utils.ForwardMode.EVAL",
    "$torch.optim.lr_scheduler.StepLR(@optimizer, 10)",
    "$torch.nn.CrossEntropyLoss(reduction='none')",
    "$torch.float32",
    "$np.linspace(0, 1, 5).tolist()",
    "$dist.is_initialized() or dist.init_process_group(backend='nccl')",
    "$dist.is_initialized() and dist.destroy_process_group()",
    "$None",
    "$1e-4 * 2",
    "$f'{1 + 1}_{len([])}'",
    "$'a' if @x == 'b' else None",
    "$'{}.nii.gz'.format(@name)",
)


@pytest.mark.parametrize("name", CALLS)
def test_a_hostile_expression_is_refused_at_its_place_and_not_evaluated(audited, canary, name):
    text = CALLS[name].replace("CANARY", str(canary))
    imports = ["$import os", "$import shutil", "$import pathlib", "$import numpy as np"]
    audit = audited(files(imports=imports, path="$pathlib.Path('a')", handlers=[{"deep": text}]))
    found = [finding for finding in audit.objections if finding.place == "handlers::0::deep"]
    assert Verdict.REFUSED in {finding.verdict for finding in found}
    assert {finding.file for finding in found} == {"configs/inference.json"}


@pytest.mark.parametrize("name", TRUSTED)
def test_an_expression_that_is_not_known_to_be_harmless_needs_trust(audited, name):
    audit = audited(
        files(path="$pathlib.Path('a')", imports=["$import os", "$import glob", "$import pathlib"], x=TRUSTED[name])
    )
    assert audit.verdict is Verdict.TRUST
    assert "x" in {finding.place for finding in audit.objections}


def test_every_expression_of_the_usual_kind_is_allowed(audited):
    imports = ["$import os", "$import glob", "$import torch.distributed as dist"]
    audit = audited(files(imports=imports, all=list(HARMLESS)))
    assert audit.objections == []
    assert {finding.what for finding in audit.findings} > set(HARMLESS)


def test_the_canary_sings_when_an_expression_is_evaluated(tmp_path):
    canary = tmp_path / "bird"
    eval(CALLS["__import__"][1:].replace("CANARY", str(canary)), {})
    assert canary.exists()


def test_an_alias_made_in_another_config_is_known(audited):
    contents = files(x="$harmless('touch')")
    contents["configs/other.json"] = b'{"imports": ["$from os import system as harmless"]}'
    audit = audited(contents)
    assert ("configs/inference.json", "x") in {
        (finding.file, finding.place) for finding in audit.objections if finding.verdict is Verdict.REFUSED
    }


def test_an_alias_with_two_meanings_has_the_worse_verdict(audited):
    audit = audited(files(imports=["$import glob as g", "$import os as g"], x="$g.system('a')"))
    assert audit.verdict is Verdict.REFUSED
