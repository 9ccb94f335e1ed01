"""The whole pipeline, for a table to train on that no single machine holds."""

from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.distributed.train_ranks import SplitPiecesTask, TrainRanksTask
from gokart_pipeline_sample.pipeline.fitted_features import FITTED_FEATURES
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.run import RunTask
from gokart_pipeline_sample.pipeline.run_middle import wire_model
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from gokart_pipeline_sample.utils.parameters import borrow


class RunDistributedTask(RunTask):
    """Does what ``RunTask`` does, on a Dask cluster: only the validation and test rows are on one machine."""

    table = borrow(LoadDataTask, "table")
    ranks = borrow(TrainRanksTask, "ranks")
    split_by = borrow(SplitDataTask, "split_by")

    def requires(self) -> UploadS3Task:
        """Wire the tasks; raise a ValueError if the model needs what no single machine knows."""
        if FITTED_FEATURES or PreprocessedSchema.open_text_columns():
            raise ValueError("features that learn, and text whose values no schema lists, need all rows on one machine")
        guarded = GuardTableTask(table=self.table, on_bad_row="fail", max_rejected_share=0.0, min_rows=1)
        split = SplitPiecesTask(guard_task=guarded, table=self.table)
        valid = GetDataTask(data_task=split, name="valid")
        parameters = TrainTask(train_task=valid, valid_task=valid).plain_parameters()
        if parameters.pop("class_weight") != "none":
            raise ValueError("class_weight=balanced needs all rows on one machine: set none")
        if LoadDataTask(table=self.table).on_bad_row != "fail" or self.split_by not in ("random", "id"):
            raise ValueError("on_bad_row=drop and a split_by other than id need all rows on one machine")
        parameters |= parameters.pop("lightgbm")
        model = TrainRanksTask(split_task=split, parameters=parameters, ranks=self.ranks)
        return UploadS3Task(output_task=wire_model(split, self.require_acc, trained=model, run=self).checked)
