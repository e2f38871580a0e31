# Train on 16 images of each base class, then score base and new test images
# among all classes together.
_base_ = ['base_to_new_16shot.py']
protocol = 'gb2n'
val_evaluator = dict(generalized=True)
test_evaluator = dict(generalized=True)
