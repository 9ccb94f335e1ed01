"""The document ``metrics.json``: the metrics of a model on the test rows."""

from typing import Any, TypedDict


class Scores(TypedDict):
    """Scores of all predictions; None if undefined."""

    accuracy: float  # share of correct predictions
    balanced_accuracy: float  # mean recall of the classes that occur in the rows
    log_loss: float  # mean of -ln(probability of the true class)
    brier_score: float  # mean squared distance of the probabilities from the truth, from 0 (best) to 2
    roc_auc: float | None  # mean over the classes, each against the rest; needs rows of every class


class ClassScores(TypedDict):
    """Scores of one class against the rest; None if undefined."""

    name: Any  # the class, as the target has it
    rows: int  # rows of that class
    precision: float | None  # share of the rows predicted as this class that are of this class
    recall: float | None  # share of the rows of this class that are predicted as this class
    f1: float | None  # harmonic mean of the two
    roc_auc: float | None
    # The probability, precision, recall and f1 of each point of the precision-recall curve, which predicts the class
    # wherever it is at least so probable, by rising probability; empty without rows of that class.
    thresholds: list[dict[str, float]]


class Importance(TypedDict):
    """The importance of a feature."""

    feature: str
    gain: float  # total reduction of the training loss by its splits
    permutation: float | None  # mean drop in accuracy on test rows when its values are shuffled; None if they are not
    permutation_std: float | None  # standard deviation of that drop over the shuffles


class LearningCurve(TypedDict):
    """The loss after each round of training."""

    loss: str  # LightGBM's name for it
    train: list[float]
    valid: list[float]
    model_rounds: int  # rounds that the model keeps: by default those up to the lowest validation loss


class NumberScores(TypedDict):
    """Scores of predictions of a number, in its unit but for R², which is None if all rows have the same target."""

    mae: float  # mean absolute error
    rmse: float  # root of the mean squared error
    median_absolute_error: float
    r2: float | None  # share of the variance that is explained
    bias: float  # mean of prediction minus truth


class Common(TypedDict):
    """The part of the document that does not depend on the kind of the target."""

    rows: int  # test rows
    groups: int | None  # of test rows, if the schema has groups
    importances: list[Importance]  # in the order of the schema
    learning_curve: LearningCurve
    warnings: list[str]  # about the training, the model, and the training and test rows


class ClassMetrics(Common):
    """The document about classes."""

    model: Scores
    baseline: Scores  # of a model that knows only the class frequencies in the test rows
    baseline_p_value: float  # that the model is right more often than the most frequent class only by chance
    # The level (confidence), low and high of the exact interval of the accuracy on all rows of their kind, for as many
    # independent rows as rows in groups are worth.
    accuracy_interval: dict[str, float]
    classes: list[ClassScores]
    decision: dict[str, Any]  # see choose_threshold; empty for the most probable class
    confusion_matrix: list[list[int]]  # rows by true class (outer) and predicted class (inner), in the order of classes
    # Of bins of about equally probable predicted classes: the mean probability, accuracy (share right), and rows.
    calibration: list[dict[str, float]]
    # Of at most ten rows, the most probable first: id, target, pred, its probability, features by name, any reasons.
    most_confidently_wrong: list[dict[str, Any]]


class NumberMetrics(Common):
    """The document about a number."""

    unit: str  # of the target, if the schema names it
    model: NumberScores
    baseline: NumberScores  # see number_scores.score_baseline
    baseline_p_value: float  # that the model errs less than the median only by chance
    center: dict[str, float]  # the median and the mean of the target of the training rows
    mae_interval: dict[str, float]  # its level, low and high
    interval: dict[str, float]  # the level and half the width of the intervals of predictions; empty without
    coverage: float | None  # share of the rows within theirs
    deciles: list[dict[str, float]]  # of tenths of the rows by prediction: mean prediction, mean truth, mae, and rows
    points: list[list[float]]  # truth and prediction of a sample of rows
    # Of at most ten rows, the greatest error first: id, target, pred, error, features by name, any reasons.
    greatest_errors: list[dict[str, Any]]


Metrics = ClassMetrics | NumberMetrics
