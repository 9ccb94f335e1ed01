"""The layout of a graph: the positions of the tasks and of the arrows between them."""

from statistics import fmean
from typing import NamedTuple

from pipeline_runner.watch.task_graph import TaskGraph

# In units of the SVG.
BOX_WIDTH, BOX_HEIGHT = 144, 40
_LAYER_HEIGHT, _PASSAGE_WIDTH, _GAP, _MARGIN = 68, 12, 18, 4

Point = tuple[float, float]


class GraphDrawing(NamedTuple):
    """A drawing from top to bottom: each task is below all of its requirements."""

    width: float
    height: float
    boxes: dict[str, Point]  # the centre of each task's box, by task id
    arrows: list[list[Point]]  # the points that each arrow goes through


def draw_graph(graph: TaskGraph) -> GraphDrawing:
    """Lay a graph out in layers: Sugiyama et al., Methods for Visual Understanding of Hierarchical System Structures.

    An arrow that crosses a layer goes through a passage between its boxes, which all arrows of the same source share.
    """
    layer_of = {task_id: number for number, layer in enumerate(graph.layers) for task_id in layer}
    # The last layer that an arrow from each task leads to.
    ends = {edge.source: layer_of[edge.target] for edge in sorted(graph.edges, key=lambda edge: layer_of[edge.target])}
    # The horizontal centre of each box and passage, relative to that of the drawing, by layer.
    places: list[dict[str, float]] = []
    width = 0.0
    for number, layer in enumerate(graph.layers):
        items = dict.fromkeys(layer, BOX_WIDTH)
        items |= {source: _PASSAGE_WIDTH for source, end in ends.items() if layer_of[source] < number < end}
        above = places[-1] if places else {}
        parents = {name: graph.requirements(name) if name in layer else [name] for name in items}
        wanted = {name: fmean([above[parent] for parent in parents[name]] or [0]) for name in items}
        total = sum(items.values()) + _GAP * (len(items) - 1)
        left, row = -total / 2, {}
        for name in sorted(items, key=lambda name: (wanted[name], items[name], name)):
            row[name] = left + items[name] / 2
            left += items[name] + _GAP
        places.append(row)
        width = max(width, total + 2 * _MARGIN)

    def point(name: str, number: int, side: int = 0) -> Point:
        middle = _MARGIN + BOX_HEIGHT / 2 + number * _LAYER_HEIGHT
        return places[number][name] + width / 2, middle + side * BOX_HEIGHT / 2

    arrows = []
    for source, target in sorted({(edge.source, edge.target) for edge in graph.edges}):
        between = range(layer_of[source] + 1, layer_of[target])
        passages = [point(source, number, side) for number in between for side in (-1, 1)]
        arrows.append([point(source, layer_of[source], 1), *passages, point(target, layer_of[target], -1)])
    return GraphDrawing(
        width=width,
        height=2 * _MARGIN + BOX_HEIGHT + _LAYER_HEIGHT * (len(graph.layers) - 1),
        boxes={name: point(name, number) for name, number in layer_of.items()},
        arrows=arrows,
    )
