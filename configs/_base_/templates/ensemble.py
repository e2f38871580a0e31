# The seven sentences of zero-shot CLIP's ensemble in CoOp's code. None stands
# for the data set's own sentence.
templates = [
    'itap of a {}.', 'a bad photo of the {}.', 'a origami {}.',
    'a photo of the large {}.', 'a {} in a video game.', 'art of the {}.',
    'a photo of the small {}.', None,
]
