"""Prompt tuning of frozen language models (needs the extra ``language``).

Nothing else in the package imports this part until it is used: functions that
load, publish and export models do. A config that uses its classes says
``custom_imports = dict(imports=['dept_mm', 'dept_mm.language'])``, as
``configs/_base_/language/runtime.py`` does. The library ``transformers`` is
only imported when a model is built.
"""
from dept_mm.language.dataset import TextDataset
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.heads import (
    CausalLMHead,
    Encoded,
    LinearTextHead,
    MaskedLMHead,
    Seq2SeqHead,
    TextHead,
)
from dept_mm.language.loading import build_language_model
from dept_mm.language.metric import LanguageMetric
from dept_mm.language.model import PromptedLanguageModel
from dept_mm.language.result_hook import LanguageResultHook
from dept_mm.language.task import Task
from dept_mm.language.tokens import Tokens
from dept_mm.language.tuning import (
    IA3,
    BitFit,
    BottleneckAdapters,
    DeepPrompts,
    FullTuning,
    LanguageTuning,
    LoRA,
)
from dept_mm.language.use import TextPrediction, TunedTextModel

__all__ = [
    'IA3', 'BitFit', 'BottleneckAdapters', 'CausalLMHead', 'DeepPrompts',
    'Encoded', 'FrozenLanguageModel', 'FullTuning', 'LanguageMetric',
    'LanguageResultHook', 'LanguageTuning', 'LinearTextHead', 'LoRA',
    'MaskedLMHead', 'PromptedLanguageModel', 'Seq2SeqHead', 'Task',
    'TextDataset', 'TextHead', 'TextPrediction', 'Tokens', 'TunedTextModel',
    'build_language_model'
]
