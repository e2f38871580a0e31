"""How each family of language models is run with prompts."""
from dept_mm.language.towers.base import LanguageTower
from dept_mm.language.towers.bert import BERTTower, RoBERTaTower
from dept_mm.language.towers.gpt2 import GPT2Tower
from dept_mm.language.towers.t5 import T5Tower

# `model_type` of a config of transformers -> its tower
TOWERS = dict(bert=BERTTower, roberta=RoBERTaTower, gpt2=GPT2Tower,
              t5=T5Tower)

__all__ = ['TOWERS', 'BERTTower', 'GPT2Tower', 'LanguageTower',
           'RoBERTaTower', 'T5Tower']
