"""Decoders are silent while medsynth reads, and heard again afterwards."""

import logging
import warnings

from medsynth.reading.quietness import quiet


def test_decoders_are_heard_outside_only(capsys):
    heard = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    loggers = [logging.getLogger(name) for name in ("PIL.TiffImagePlugin", "pydicom.pixels", "nibabel.global")]
    before = [(logger.handlers, logger.propagate) for logger in map(logging.getLogger, ("PIL", "pydicom", "nibabel"))]
    try:
        with warnings.catch_warnings(record=True) as warned, quiet():
            with quiet():
                pass
            for logger in loggers:
                logger.error("inside")
            warnings.warn("inside", stacklevel=1)
        assert (heard, warned, capsys.readouterr().err) == ([], [], "")
        for logger in loggers:
            logger.error("outside")
        assert heard == ["outside"] * len(loggers)
    finally:
        logging.getLogger().removeHandler(handler)
    after = [(logger.handlers, logger.propagate) for logger in map(logging.getLogger, ("PIL", "pydicom", "nibabel"))]
    assert after == before
