# The protocol for Yelp in Decomposed Prompt Tuning's public code: as for other
# large tasks, but at most 100,000 training examples.
_base_ = 'large.py'
train_dataloader = dict(dataset=dict(part=(1000, 101000)))
