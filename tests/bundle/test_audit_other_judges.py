"""Two other judges of pickles: what either calls dangerous, the audit does not allow."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
import torch

from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.audit.rules.wordlists import words

from .archives import parts_of
from .samples import write
from .test_audit_weights import PICKLES

analysis = pytest.importorskip("fickling.analysis", reason="is in the group dev")
fickle = pytest.importorskip("fickling.fickle", reason="is in the group dev")
scanner = pytest.importorskip("picklescan.scanner", reason="is in the group dev")

_NAMES = """
os.system posix.system nt.system os.popen os.execv os.spawnv os.fork os.remove os.rename subprocess.Popen
subprocess.run subprocess.check_output subprocess.getoutput builtins.eval builtins.exec builtins.compile
builtins.open builtins.getattr builtins.setattr builtins.__import__ builtins.breakpoint __builtin__.eval
importlib.import_module runpy.run_path runpy._run_code pty.spawn pdb.run bdb.Bdb.run timeit.timeit timeit.main
cProfile.run profile.run trace.Trace.run code.interact code.InteractiveInterpreter.runcode pickle.loads
pickle.load _pickle.loads shelve.open dill.loads cloudpickle.loads joblib.load marshal.loads ctypes.CDLL
ctypes.cdll.LoadLibrary socket.create_connection socket.socket webbrowser.open urllib.request.urlopen
http.client.HTTPSConnection requests.get ftplib.FTP smtplib.SMTP
asyncio.unix_events._UnixSubprocessTransport._start multiprocessing.util.spawnv_passfds operator.attrgetter
operator.methodcaller functools.partial functools.reduce itertools.starmap types.FunctionType types.CodeType
shutil.rmtree shutil.move shutil.copyfile pathlib.Path.write_text tempfile.mktemp glob.glob sys.setprofile
inspect.getattr_static logging.config.dictConfig logging.config._resolve pydoc.locate pydoc.pipepager
pkgutil.resolve_name idlelib.pyshell.ModifiedInterpreter.runcommand lib2to3.pgen2.grammar.Grammar.loads
ensurepip._run_pip venv.main doctest.debug_script distutils.file_util.write_file zipimport.zipimporter
numpy.testing._private.utils.runstring numpy.load numpy.f2py.crackfortran.myeval torch.load torch.hub.load
torch.jit.load torch.ops.load_library torch.utils.data.datapipes.utils.decoder.basichandlers
torch.storage._load_from_bytes torch.serialization.load torch.distributed.rpc.api._invoke_rpc
torch._inductor.codecache.compile_file
torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression
torch.utils._config_module.load_config torch.utils.bottleneck.__main__.run_cprofile
torch._dynamo.guards.GuardBuilder.get monai.bundle.ConfigParser monai.bundle.run
monai.utils.module.load_submodules ignite.handlers.DiskSaver
"""
DANGEROUS = _NAMES.split()


def _called(name: str, protocol: int) -> bytes:
    module, _, last = name.rpartition(".")
    if protocol < 2:
        return f"c{module}\n{last}\n(S'touch x'\ntR.".encode()
    texts = b"".join(b"X" + len(text).to_bytes(4, "little") + text.encode() for text in (module, last, "touch x"))
    first, second = len(module) + 5, len(module) + len(last) + 10
    return b"\x80\x04" + texts[:first] + texts[first:second] + b"\x93" + texts[second:] + b"\x85R."


def _harmless() -> dict[str, bytes]:
    state = {"a": torch.zeros(2), "b": torch.nn.Parameter(torch.ones(1)), "c": torch.zeros(2, dtype=torch.bfloat16)}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    (kept,) = (part.content for part in parts_of(buffer.getvalue()) if part.name.endswith(b"data.pkl"))
    values = {"numbers": [1, 2.0, "a", b"b", None, {1, 2}], "array": np.arange(3), "scalar": np.float32(1)}
    return {"state": kept, **{name: pickle.dumps(value) for name, value in values.items()}}


SAMPLES = {
    **{name: content if len(content) < 10_000 else content[:1000] + b"." for name, content in PICKLES.items()},
    **{f"{name} {protocol}": _called(name, protocol) for name in DANGEROUS for protocol in (0, 4)},
    **{f"{name} 4": _called(name, 4) for name in sorted(words("tensor pickles"))},
    **_harmless(),
}


def _calls_dangerous(content: bytes) -> bool:
    """Ask both. Fickling calls every ordinary state dict unsafe, so only what it calls malicious counts."""
    scanned = scanner.scan_pickle_bytes(io.BytesIO(content), "sample")
    try:
        stacked = fickle.StackedPickle.load(io.BytesIO(content))
        malicious = any(analysis.check_safety(one).severity > analysis.Severity.LIKELY_UNSAFE for one in stacked)
    except (fickle.PickleDecodeError, AttributeError, IndexError, KeyError, ValueError):
        malicious = False  # it reads no broken ones, and gives up at some opcodes
    return malicious or scanned.infected_files > 0


def test_what_another_judge_calls_dangerous_is_not_allowed(tmp_path):
    names = {f"{number:03}.pkl": name for number, name in enumerate(SAMPLES)}
    audit = audit_bundle(write(tmp_path, {file: SAMPLES[name] for file, name in names.items()}))
    objected = {finding.file for finding in audit.objections}
    allowed = [name for file, name in names.items() if file not in objected]
    dangerous = {name for name in SAMPLES if _calls_dangerous(SAMPLES[name])}
    assert [name for name in allowed if name in dangerous] == []
    assert len(dangerous) > len(DANGEROUS)
    assert set(_harmless()) <= set(allowed)


@pytest.mark.parametrize("name", DANGEROUS)
def test_a_pickle_that_calls_a_dangerous_name_is_not_allowed(tmp_path, name):
    audit = audit_bundle(write(tmp_path, {f"{protocol}.bin": _called(name, protocol) for protocol in (0, 4)}))
    assert audit.verdict is not Verdict.ALLOWED
    assert {finding.file for finding in audit.objections} == {"0.bin", "4.bin"}
