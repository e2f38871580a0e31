"""Methods that tune a language model itself, to compare prompts with."""
from dept_mm.language.tuning.base import LanguageTuning
from dept_mm.language.tuning.bottleneck import BottleneckAdapters
from dept_mm.language.tuning.budget import check_budget, fit_budget
from dept_mm.language.tuning.build import build_tuning, list_foldable
from dept_mm.language.tuning.deep_prompts import DeepPrompts
from dept_mm.language.tuning.weights import BitFit, FullTuning
from dept_mm.language.tuning.with_peft import IA3, LoRA

__all__ = ['IA3', 'BitFit', 'BottleneckAdapters', 'DeepPrompts', 'FullTuning',
           'LanguageTuning', 'LoRA', 'build_tuning', 'check_budget',
           'fit_budget', 'list_foldable']
