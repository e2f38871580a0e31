default_scope = 'mmpretrain'
custom_imports = dict(imports=['dept_mm'], allow_failed_imports=False)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='VisualizationHook', enable=False),
    vocabulary=dict(type='VocabularyHook'),
    share_classes=dict(type='ShareClassesHook'),
    mean_loss=dict(type='MeanLossHook'),
    plain_checkpoint=dict(type='PlainCheckpointHook'),
    cost=dict(type='CostHook'),
    resume=dict(type='ResumeHook'),
    epoch_seed=dict(type='EpochSeedHook'),
    no_pause=dict(type='NoPauseHook'),
    unreadable=dict(type='UnreadableImagesHook'),
    divergence=dict(type='DivergenceHook'),
    stop_signal=dict(type='StopSignalHook'))
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)
randomness = dict(seed=1, deterministic=False)
