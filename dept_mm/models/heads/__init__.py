"""Classification heads on the features of a prompted CLIP."""
from dept_mm.models.heads.clip_head import CLIPHead
from dept_mm.models.heads.dept_head import DePTHead
from dept_mm.models.heads.linear_probe_head import LinearProbeHead
from dept_mm.models.heads.multi_label_clip_head import MultiLabelCLIPHead
from dept_mm.models.heads.unlabelled_head import UnlabelledHead

__all__ = ['CLIPHead', 'DePTHead', 'LinearProbeHead', 'MultiLabelCLIPHead',
           'UnlabelledHead']
