dataset = dict(
    type='DrawnShapes', name='shapes', template='a photo of a {}.', seed=1)
