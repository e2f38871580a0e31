"""Probes: classifiers that are fitted on features in seconds."""
from dept_mm.models.probes.ape import APE
from dept_mm.models.probes.ape_t import APET
from dept_mm.models.probes.base import BaseProbe
from dept_mm.models.probes.clap import CLAP
from dept_mm.models.probes.cross_modal import CrossModalProbe
from dept_mm.models.probes.gda import GDAProbe
from dept_mm.models.probes.linear_probe import LinearProbe
from dept_mm.models.probes.lp_plus_plus import LPPlusPlus
from dept_mm.models.probes.task_res import TaskRes

__all__ = [
    'APE', 'APET', 'BaseProbe', 'CLAP', 'CrossModalProbe', 'GDAProbe',
    'LPPlusPlus', 'LinearProbe', 'TaskRes'
]
