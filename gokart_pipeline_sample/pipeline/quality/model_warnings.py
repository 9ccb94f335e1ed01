"""Warnings about a model, from its metrics."""

from gokart_pipeline_sample.pipeline.quality.data_warnings import shorten
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.quality.scores import find_baseline_failures

DIVERGED = 2.0  # times the validation loss after the first round: so high a loss is worse than knowing nothing
FEW_ROUNDS = 10


def find_model_warnings(metrics: Metrics, patience: int) -> list[str]:
    """Return a sentence for each sign that a training went wrong, or that its model is of no use, and what to do.

    The patience is that of early stopping, in rounds; 0 or less if there was none.
    """
    losses, kept = metrics["learning_curve"]["valid"], metrics["learning_curve"]["model_rounds"]
    highest, after, warnings = max(losses[kept - 1 :]), len(losses) - kept, []
    if highest > DIVERGED * losses[0]:
        risen = f"the validation loss diverged: after round {kept} it rose from {losses[kept - 1]:.4g} to {highest:.4g}"
        warnings.append(f'{risen}: set a higher min_sum_hessian_in_leaf, or lightgbm={{"lambda_l2": 5}}, of TrainTask')
    if kept < FEW_ROUNDS and after >= patience > 0:
        warnings.append(f"the model keeps {kept} of {len(losses)} rounds: add features or rows, or lower learning_rate")
    if after < patience:
        stopped = f"training stopped at num_boost_round={len(losses)}, before early stopping could end it"
        warnings.append(f"{stopped}: set a higher num_boost_round or learning_rate of TrainTask")
    predicted = [sum(column) for column in zip(*metrics["confusion_matrix"], strict=True)]
    classes = [each for each, rows in zip(metrics["classes"], predicted, strict=True) if each["rows"] and not rows]
    if never := [f"{each['name']} ({each['rows']})" for each in classes]:
        problem = f"classes with test rows that the model never predicts: {shorten(never)}"
        warnings.append(f"{problem}: set class_weight=balanced of TrainTask, or add rows of them")
    accuracy, baseline = metrics["model"]["accuracy"], metrics["baseline"]["accuracy"]
    return [*warnings, *find_baseline_failures(accuracy, baseline, metrics["baseline_p_value"])]
