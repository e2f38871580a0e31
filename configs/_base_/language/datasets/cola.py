dataset = dict(
    type='TextDataset', task='cola', data_root='data/glue/CoLA', seed=1)
