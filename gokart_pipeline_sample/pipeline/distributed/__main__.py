"""The process of a rank: python -m gokart_pipeline_sample.pipeline.distributed FOLDER PARAMETERS."""

import json
import sys
from pathlib import Path

from gokart_pipeline_sample.pipeline.distributed.train_ranks import train_rank

train_rank(Path(sys.argv[1]), json.loads(sys.argv[2]))
