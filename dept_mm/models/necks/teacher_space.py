"""PromptKD: images of a student among the class texts of its teacher."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import clip_spec
from dept_mm.models.utils.class_rows import ClassRowsMixin
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Vocabulary


@MODELS.register_module()
class TeacherSpace(ClassRowsMixin, BaseModule):
    r"""Compare a student's images with the class texts of a teacher.

    It follows the code of "PromptKD" (Li et al., CVPR 2024): the student's
    image feature :math:`f` becomes

    .. math::
        f' = W_2 \, \text{ReLU}(\text{BN}(W_1 f + b_1)) + b_2

    and the teacher's texts take the place of the student's. In training they
    come from the backbone's teacher, see ``TunedTeacher``. They are kept in
    checkpoints, so that a trained student needs no teacher; it can score the
    classes that it was distilled on, and no others. Before training they are
    zeros.

    Args:
        clip (Mapping): Config of the student's CLIP, which determines the
            width ``D`` of its features.
        vocabulary (Mapping | Sequence[str] | Vocabulary): Vocabulary whose
            base classes have a text; see ``Vocabulary.resolve``. With
            ``base_classes='all'`` in a data set's config these are all.
        width (int, optional): Width ``E`` of the teacher's features.
            Defaults to the student's.
        project (bool): Whether images are mapped to the teacher's width; if
            not, both must have the same. Defaults to True.

    Raises:
        DeptError: If the widths differ and nothing maps one to the other.

    Examples:
        >>> neck = dict(
        ...     type='TeacherSpace', clip=_base_.clip, width=768,
        ...     vocabulary=dict(_base_.vocabulary, base_classes='all'))
    """
    row_keys = ('text', )
    replaces_texts = True

    def __init__(self, clip: Mapping,
                 vocabulary: Mapping | Sequence[str] | Vocabulary,
                 width: int | None = None, project: bool = True) -> None:
        super().__init__()
        own = clip_spec(clip).embed_dim
        width = own if width is None else width
        if not project and width != own:
            raise DeptError(f"TeacherSpace: the student's features are {own} "
                            f'wide, those of the teacher {width}; set '
                            'project=True.')
        self.class_ids = Vocabulary.resolve(vocabulary).base
        self.project = nn.Sequential(
            nn.Linear(own, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width)) if project else nn.Identity()
        self.register_buffer('text', torch.zeros(len(self.class_ids), width))
        self.init_header()

    def forward(self, feats: CLIPFeatures) -> CLIPFeatures:
        """Replace images ``(B, D)`` by ``(B, E)``, texts by ``(C, E)``.

        Raises:
            DeptError: If a class has no text here; in training, if there is
                no teacher, it is of another width, or the batch has one
                image.
        """
        columns, rows = self.match(feats)
        if len(columns) < len(feats.labels):
            known = set(self.class_ids)
            wrong = [feats.ids[label] for label in feats.labels.tolist()
                     if feats.ids[label] not in known]
            raise DeptError(
                f"TeacherSpace has no teacher's texts of {wrong[:5]}: a "
                'student scores the classes that it was distilled on. Distil '
                "it again, with these among its vocabulary's base classes.")
        if self.training:
            self.text[rows] = self._read_texts(feats, rows)
        if len(feats.image) == 1 and self.training:
            raise DeptError('TeacherSpace normalises over the images of a '
                            'batch, and this one has a single image: set '
                            'train_dataloader.drop_last=True.')
        return feats._replace(text=self.text[rows],
                              image=self.project(feats.image.float()))

    def _read_texts(self, feats: CLIPFeatures, rows: Sequence[int]) -> Tensor:
        """Return the texts ``(C, E)`` of the batch's teacher."""
        if feats.teacher is None:
            raise DeptError('TeacherSpace needs a teacher: give the backbone '
                            "teacher=dict(type='TunedTeacher', adapter=...).")
        text, width = feats.teacher.text, self.text.shape[1]
        if text.shape[1] != width:
            raise DeptError(f"TeacherSpace: the teacher's features are "
                            f'{text.shape[1]} wide: set width='
                            f'{text.shape[1]} in place of {width}.')
        if len(rows) < len(self.class_ids):
            raise DeptError(
                f'TeacherSpace has texts of {len(self.class_ids)} classes, '
                f'but {len(rows)} are trained on: give the training data the '
                "same base classes as the neck, base_classes='all' for all.")
        if feats.text.requires_grad:
            raise DeptError("TeacherSpace replaces the student's texts, so "
                            'its text tokens would learn nothing: set '
                            'prompt.num_text_tokens=0.')
        return text.to(self.text)
