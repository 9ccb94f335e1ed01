"""The process of a rank: python -m gokart_pipeline_sample.pipeline.distributed FOLDER PARAMETERS."""

import sys

from gokart_pipeline_sample.pipeline.distributed.train_ranks import train_rank

train_rank(*sys.argv[1:])
