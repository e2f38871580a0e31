dataset = dict(type='DrawnShapes', template='a photo of a {}.', seed=1)
