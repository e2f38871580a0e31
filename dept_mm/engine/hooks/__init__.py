"""MMEngine hooks of this package, one per file."""
from dept_mm.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from dept_mm.engine.hooks.base_new_table_hook import BaseNewTableHook
from dept_mm.engine.hooks.class_sample_hook import ClassSampleHook
from dept_mm.engine.hooks.compile_hook import CompileHook
from dept_mm.engine.hooks.cost_hook import CostHook
from dept_mm.engine.hooks.divergence_hook import DivergenceHook
from dept_mm.engine.hooks.dry_run_hook import DryRunHook
from dept_mm.engine.hooks.epoch_seed_hook import EpochSeedHook
from dept_mm.engine.hooks.feature_store_hook import FeatureStoreHook
from dept_mm.engine.hooks.gaussian_prompt_averaging_hook import (
    GaussianPromptAveragingHook,
)
from dept_mm.engine.hooks.mean_loss_hook import MeanLossHook
from dept_mm.engine.hooks.no_pause_hook import NoPauseHook
from dept_mm.engine.hooks.plain_checkpoint_hook import PlainCheckpointHook
from dept_mm.engine.hooks.probe_hook import ProbeHook
from dept_mm.engine.hooks.prograd_hook import ProGradHook
from dept_mm.engine.hooks.resume_hook import ResumeHook
from dept_mm.engine.hooks.screen_hook import ScreenHook
from dept_mm.engine.hooks.selection_hook import SelectionHook
from dept_mm.engine.hooks.share_classes_hook import ShareClassesHook
from dept_mm.engine.hooks.stop_signal_hook import StopSignalHook
from dept_mm.engine.hooks.tda_hook import TDAHook
from dept_mm.engine.hooks.tip_adapter_hook import TipAdapterHook
from dept_mm.engine.hooks.unreadable_images_hook import UnreadableImagesHook
from dept_mm.engine.hooks.vocabulary_hook import VocabularyHook

__all__ = [
    'AtomicCheckpointHook', 'BaseNewTableHook', 'ClassSampleHook',
    'CompileHook', 'CostHook', 'DivergenceHook', 'DryRunHook',
    'EpochSeedHook', 'FeatureStoreHook', 'GaussianPromptAveragingHook',
    'MeanLossHook', 'NoPauseHook', 'PlainCheckpointHook', 'ProGradHook',
    'ProbeHook', 'ResumeHook', 'ScreenHook', 'SelectionHook',
    'ShareClassesHook', 'StopSignalHook', 'TDAHook', 'TipAdapterHook',
    'UnreadableImagesHook', 'VocabularyHook'
]
