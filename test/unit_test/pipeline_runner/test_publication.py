from __future__ import annotations

from gokart_pipeline_sample import RunNestTask
from gokart_pipeline_sample.pipeline.run_middle import PrepareDataTask
from pipeline_runner.publication import find_publication
from pipeline_runner.task_graph import TaskGraph


class TestFindPublication:
    def test_is_what_the_upload_puts_out(self) -> None:
        graph = TaskGraph(RunNestTask(require_acc=0.7))
        publication = find_publication(graph)
        assert graph.names[publication.task_id] == "UploadS3Task"
        assert publication.target.path() == "s3://some-bucket/output.csv"
        assert publication.required_accuracy == 0.7

    def test_is_there_without_a_run_task(self, graph: TaskGraph) -> None:
        upload = graph.tasks[find_publication(graph).task_id]
        publication = find_publication(TaskGraph(upload))
        assert publication.task_id == upload.task_id

    def test_is_none_where_nothing_is_put(self) -> None:
        assert find_publication(TaskGraph(PrepareDataTask())) is None
