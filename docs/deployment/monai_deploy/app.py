"""A MONAI Deploy application around a bundle of medsynth: one operator, from a folder of images to a table.

python app.py -i IMAGES -m BUNDLE -o OUT
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, Operator, OperatorSpec
from prediction import predict_folder


class PredictionOperator(Operator):
    """Predicts what lies in a folder with the classifier of a bundle.

    Args:
        bundle, images, out: as in `prediction.predict_folder`.
    """

    def __init__(self, fragment: Application, *args: Any, bundle: Path, images: Path, out: Path, **kwargs: Any) -> None:
        self.bundle, self.images, self.out = bundle, images, out
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """It has no ports: nothing is passed on but files."""

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:  # noqa: ARG002 - it has no ports
        """Predict once."""
        print(f"out  {predict_folder(self.bundle, self.images, self.out)}")


class PredictionApp(Application):
    """Takes the paths that MONAI Deploy gives: input, model, output."""

    def compose(self) -> None:
        """Put the only operator in place."""
        given = Application.init_app_context(self.argv)
        once = CountCondition(self, 1)
        paths = {"bundle": given.model_path, "images": given.input_path, "out": given.output_path}
        places = {name: Path(path) for name, path in paths.items()}
        self.add_operator(PredictionOperator(self, once, name="prediction", **places))


if __name__ == "__main__":
    PredictionApp().run()
