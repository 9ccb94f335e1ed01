from __future__ import annotations

import itertools

from pipeline_runner.watch.report.report import BOX_HEIGHT, BOX_WIDTH, draw_graph
from pipeline_runner.watch.task_graph import TaskGraph


class TestDrawGraph:
    def test_boxes_lie_apart_and_within(self, graph: TaskGraph) -> None:
        drawing = draw_graph(graph)
        assert drawing.boxes.keys() == graph.tasks.keys()
        for x, y in drawing.boxes.values():
            assert BOX_WIDTH / 2 <= x <= drawing.width - BOX_WIDTH / 2
            assert BOX_HEIGHT / 2 <= y <= drawing.height - BOX_HEIGHT / 2
        for (x, y), (other_x, other_y) in itertools.combinations(drawing.boxes.values(), 2):
            assert abs(x - other_x) > BOX_WIDTH or abs(y - other_y) > BOX_HEIGHT

    def test_arrows_lead_down_from_what_is_needed(self, graph: TaskGraph) -> None:
        drawing = draw_graph(graph)
        assert len(drawing.arrows) == len({(edge.source, edge.target) for edge in graph.edges})
        bottoms = {(x, y + BOX_HEIGHT / 2) for x, y in drawing.boxes.values()}
        tops = {(x, y - BOX_HEIGHT / 2) for x, y in drawing.boxes.values()}
        for points in drawing.arrows:
            assert points[0] in bottoms
            assert points[-1] in tops
            assert all(before[1] < after[1] for before, after in itertools.pairwise(points))

    def test_arrows_go_through_no_box(self, graph: TaskGraph) -> None:
        drawing = draw_graph(graph)
        crossing = [points for points in drawing.arrows if len(points) > 2]
        assert crossing
        for points, (x, y) in itertools.product(crossing, drawing.boxes.values()):
            assert not any(abs(at[0] - x) < BOX_WIDTH / 2 and abs(at[1] - y) <= BOX_HEIGHT / 2 for at in points[1:-1])

    def test_fits_a_telephone(self, graph: TaskGraph) -> None:
        assert draw_graph(graph).width <= 390
