"""What is done with a tuned language model: share it, load it, ask it."""
from dept_mm.language.use.adapter import load_text_adapter, write_text_adapter
from dept_mm.language.use.inputs import gather_texts, read_texts
from dept_mm.language.use.prediction import TextPrediction
from dept_mm.language.use.tuned_model import TunedTextModel

__all__ = ['TextPrediction', 'TunedTextModel', 'gather_texts',
           'load_text_adapter', 'read_texts', 'write_text_adapter']
