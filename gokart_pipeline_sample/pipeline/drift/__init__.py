"""Whether new rows are like those that the model was tested on."""
