"""Building the runner of a config."""
import logging
import sys

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from dept_mm.utils.files import check_writable


def build_runner(cfg: Config, quiet: bool = False) -> Runner:
    """Build MMEngine's runner, or the one ``runner_type`` names.

    Args:
        cfg (Config): The config.
        quiet (bool): Whether the console gets warnings and errors alone; the
            log file gets everything in any case. Defaults to False.

    Raises:
        DeptError: If the work dir cannot be written to.
    """
    check_writable(cfg.work_dir, 'Give another folder: --work-dir DIR.')
    kind = RUNNERS.get(cfg.get('runner_type', 'Runner'))
    return (_with_quiet_logger(kind) if quiet else kind).from_cfg(cfg)


def _with_quiet_logger(kind: type[Runner]) -> type[Runner]:
    """Derive a runner that is quiet from the start: its ``__init__`` makes
    the logger and logs the whole config."""
    class QuietRunner(kind):

        def build_logger(self, *args, **kwargs) -> MMLogger:
            return make_quiet(super().build_logger(*args, **kwargs))

    return QuietRunner


def make_quiet(logger: MMLogger) -> MMLogger:
    """Let the console have warnings and errors alone, as plain lines."""
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            quiet = _Console(max(handler.level, logging.WARNING))
            quiet.filters = [*handler.filters, _is_for_users]
            logger.handlers[logger.handlers.index(handler)] = quiet
    return logger


class _Console(logging.StreamHandler):
    """Writes to what is the standard error then: a bar may hold it."""

    def __init__(self, level: int) -> None:
        logging.Handler.__init__(self, level)
        self.setFormatter(logging.Formatter('%(levelname)s: %(message)s'))

    @property
    def stream(self):
        return sys.stderr


def _is_for_users(record: logging.LogRecord) -> bool:
    """MMEngine warns itself of its deprecated parts in every run."""
    return 'deprecated' not in record.getMessage()
