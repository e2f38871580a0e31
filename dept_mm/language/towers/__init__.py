"""Run each family of language models with prompts."""
from dept_mm.language.towers.base import LanguageTower
from dept_mm.language.towers.bert import BERTTower, RoBERTaTower
from dept_mm.language.towers.gpt2 import GPT2Tower
from dept_mm.language.towers.llama import LlamaTower
from dept_mm.language.towers.t5 import T5Tower

# The tower of each `model_type`, as the configs of transformers name it.
TOWERS = dict(bert=BERTTower, roberta=RoBERTaTower, gpt2=GPT2Tower,
              t5=T5Tower, llama=LlamaTower, mistral=LlamaTower,
              qwen2=LlamaTower)

__all__ = ['TOWERS', 'BERTTower', 'GPT2Tower', 'LanguageTower',
           'LlamaTower', 'RoBERTaTower', 'T5Tower']
