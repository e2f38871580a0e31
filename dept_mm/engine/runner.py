"""Building the runner of a config."""
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from dept_mm.utils.files import check_writable


def build_runner(cfg: Config) -> Runner:
    """Build MMEngine's runner, or the one ``runner_type`` names.

    Raises:
        DeptError: If the work dir cannot be written to.
    """
    check_writable(cfg.work_dir, 'Give another folder: --work-dir DIR.')
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return Runner.from_cfg(cfg)
