# Gradients learn nothing here. Hooks prepare the model, which is then saved
# and measured.
optim_wrapper = dict(constructor='TrainingFreeConstructor')
param_scheduler = []
train_cfg = dict(type='TrainingFreeLoop', max_epochs=1)
# DDP refuses a model without trainable parameters.
model_wrapper_cfg = dict(type='EvalModelWrapper')
