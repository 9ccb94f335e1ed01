"""Load the champion."""

from typing import Any

import luigi
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems

from gokart_pipeline_sample.io.file_formats import JsonProcessor
from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor
from gokart_pipeline_sample.io.manifest import make_folder
from gokart_pipeline_sample.pipeline.champion import registry
from gokart_pipeline_sample.pipeline.champion.choose_champion import ChooseChampionTask
from gokart_pipeline_sample.utils.parameters import ENCRYPTION, borrow
from gokart_pipeline_sample.utils.shown_task import S3DestinationTask


class LoadChampionTask(S3DestinationTask[Any]):
    """Outputs the champion's ``model`` and ``reference``, as they are on S3; it runs nothing."""

    bucket, prefix = borrow(ChooseChampionTask, "bucket"), borrow(ChooseChampionTask, "prefix")
    server_side_encryption, kms_key_id = (borrow(ChooseChampionTask, name) for name in ENCRYPTION)
    champion: luigi.Parameter[str] = luigi.Parameter(description="Key of the champion's document.")

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return the two objects on S3."""
        document = self.champions().read_document(self.champion)
        return {
            "model": registry.S3ChampionFile(self.bucket, document["model"], LightGBMModelProcessor()),
            "reference": registry.S3ChampionFile(self.bucket, document["reference"], JsonProcessor()),
        }

    def champions(self) -> registry.Champions:
        """Return all champions of the bucket."""
        return registry.Champions(self.bucket, make_folder(self.prefix), self.encryption())
