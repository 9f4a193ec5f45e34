"""What a failed load means for the operator: one sentence, and whether a second attempt could help."""

import logging
import re
from pathlib import Path
from typing import Any

from schemas.shared.problem import one_line, read_problem, record_problem


class SetUpError(Exception):
    """The set-up cannot work: a flag, the model's files or its template are wrong. The message is for the operator.

    A second attempt would end in the same way.
    """


class HubUnreachable(Exception):
    """A hub did not answer, or not as it should: another try may help. The message is for the operator."""


def sentence(error: BaseException) -> str:
    """Return what an exception of vLLM's says, as one line without what pydantic adds for programmers."""
    errors = getattr(error, "errors", None)
    if callable(errors):  # pydantic's: its text repeats the whole input
        try:
            text = "; ".join(str(each["msg"]) for each in errors())
        except (TypeError, KeyError):
            text = str(error)
    else:
        text = str(error)
    text = re.sub(r"^(Value|Assertion) error, ", "", text)
    known = isinstance(error, SetUpError | HubUnreachable | ValueError | OSError | RuntimeError)
    return one_line(text if text and known else f"{type(error).__name__}: {text}")


def store_first_failure(run_dir: Path) -> None:
    """Store the first exception that this process logs as an error, unless another process has stored one.

    vLLM's processes log why they cannot start, and the process that waits for them learns only that they could not.
    """
    make_record = logging.getLogRecordFactory()

    def make_and_look(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and record.levelno >= logging.ERROR and not read_problem(run_dir):
            record_problem(run_dir, sentence(error))
        return record

    logging.setLogRecordFactory(make_and_look)  # handlers would not survive vLLM's own configuration of its loggers
