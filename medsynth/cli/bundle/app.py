"""``medsynth bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.bundle.checks import show_audit, sign_command, verify_command
from medsynth.cli.bundle.listing import diff_command, index_command, list_command, show_command
from medsynth.cli.bundle.making import export_command, init_command
from medsynth.cli.bundle.sharing import get_command, push_command
from medsynth.cli.bundle.trust import distrust_command, trust_command
from medsynth.cli.common.shared import Json, friendly, say_json

app = typer.Typer(help="List, compare, check and trust bundles.", no_args_is_help=True, rich_markup_mode=None)
app.command("init")(init_command)
app.command("list")(list_command)
app.command("show")(show_command)
app.command("diff")(diff_command)
app.command("verify")(verify_command)


@app.command("audit")
@friendly
def audit_command(
    bundle: Annotated[Path, typer.Argument(metavar="PATH|ZIP", help="Folder or zip file of a MONAI bundle.")],
    as_json: Json = False,
) -> None:
    """Say what a bundle would execute, load, write or fetch, without executing any of it.

    Exit codes: 0 allowed, 3 needs trust (the bundle brings code, or names what is not known to be harmless),
    4 refused (it hides something or reaches beyond itself), 2 wrong use.
    """
    from medsynth.bundle.audit import audit_bundle

    audit = audit_bundle(bundle)
    if as_json:
        say_json(audit.as_dict())
    else:
        show_audit(audit)
    if audit.verdict.exit_code:
        raise typer.Exit(audit.verdict.exit_code)


app.command("export")(export_command)
app.command("trust")(trust_command)
app.command("distrust")(distrust_command)
app.command("sign")(sign_command)
app.command("index")(index_command)
app.command("get")(get_command)
app.command("push")(push_command)
