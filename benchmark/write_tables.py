"""Make the tables and the chart of docs/benchmarks-and-faults.md, in both languages, of docs/benchmark.json.

python benchmark/write_tables.py
"""

from __future__ import annotations

import json
from typing import Any

from results import PATH

PROJECT = PATH.parents[1]
CHART = PATH.with_suffix(".png")
START, END = "<!-- make bench -->\n", "<!-- -->\n"
# A row by its name in the file: in English and in Japanese.
RUNS = {
    "cold: plain script": (
        "first run, without the report / [a plain script](benchmark/plain.py)",
        "最初の実行（レポートなし）／[素のスクリプト](benchmark/plain.py)",
    ),
    "cold with report: plain script": (
        "first run, with the report / the same script",
        "最初の実行（レポートあり）／同じスクリプト",
    ),
    "cold: the talk's design": (
        "first run / [the design of the talk](benchmark/talk.py)",
        "最初の実行／[発表のときの設計](benchmark/talk.py)",
    ),
    "cold: Kedro": (
        "first run / [Kedro with pandera](benchmark/kedro_pipeline.py)",
        "最初の実行／[Kedro と pandera](benchmark/kedro_pipeline.py)",
    ),
    "up to date: imports and one HEAD": (
        "run that is up to date / [imports and one HEAD](benchmark/head.py)",
        "最新の状態の実行／[インポートと HEAD ひとつ](benchmark/head.py)",
    ),
    "cold: workspace in a folder": (
        "first run, workspace on S3 / workspace in a folder",
        "最初の実行、S3 のワークスペース／フォルダーのワークスペース",
    ),
    "large: plain script": (
        "training on 1,000,000 rows, 20 features, 100 rounds / the plain script",
        "1,000,000 行、特徴量 20、100 ラウンドの学習／素のスクリプト",
    ),
    "light: Booster.predict alone": (
        "batch, light model / `Booster.predict` alone",
        "バッチ、軽いモデル／`Booster.predict` だけ",
    ),
    "light: Booster.predict alone, no compiler": (
        "the same, without a C compiler",
        "同じもの、C コンパイラーなし",
    ),
    "light: plain script, parquet": (
        "batch, light model / [a plain script](benchmark/batch_script.py)",
        "バッチ、軽いモデル／[素のスクリプト](benchmark/batch_script.py)",
    ),
    "light: plain script, csv": (
        "the same, CSV to CSV",
        "同じもの、CSV から CSV",
    ),
    "heavy: plain script, parquet": (
        "batch, heavy model / the same script",
        "バッチ、重いモデル／同じスクリプト",
    ),
    "heavy: Booster.predict alone": (
        "batch, heavy model / `Booster.predict` alone",
        "バッチ、重いモデル／`Booster.predict` だけ",
    ),
    "heavy: Booster.predict alone, no compiler": (
        "the same, without a C compiler",
        "同じもの、C コンパイラーなし",
    ),
    "heavy: compiled alone": (
        "batch, heavy model / the compiled model alone",
        "バッチ、重いモデル／コンパイルしたモデルだけ",
    ),
}
MEMORY = {
    "memory: light": ("Parquet → Parquet", "Parquet → Parquet"),
    "memory: csv": ("CSV → CSV", "CSV → CSV"),
    "memory: parquet --shuffle": ("Parquet → Parquet, unsorted ids", "Parquet → Parquet、並んでいない id"),
    "memory: heavy": ("Parquet → Parquet, heavy model, 20 features", "Parquet → Parquet、重いモデル、特徴量 20 個"),
}
PAGES = {
    "docs/benchmarks-and-faults.md": (
        ("ours / other", "ours", "other", "time of ours / time of the other"),
        ("from → to", "peak memory, a tenth of the rows", "all rows", "rows/s, start to end"),
    ),
    "docs/ja/benchmarks-and-faults.md": (
        ("このパイプライン／相手", "このパイプライン", "相手", "このパイプラインの時間／相手の時間"),
        ("入力 → 出力", "最大メモリー（行数の十分の一）", "全行", "開始から終了までの行/s"),
    ),
}


def make_tables(measured: dict[str, dict[str, Any]], page: str) -> str:
    """Return the tables in the language of a page."""
    place = list(PAGES).index(page)
    runs, memory = PAGES[page]
    project = "../" * page.count("/")
    lines = [_row(runs), "|---|---|---|---|"]
    for name, titles in ((name, titles) for name, titles in RUNS.items() if name in measured):
        found = measured[name]
        title = titles[place].replace("](", f"]({project}")
        lines.append(_row((title, f"{found['ours']:.1f} s", f"{found['theirs']:.1f} s", f"{found['ratio']:.2f}")))
    lines += ["", _row(memory), "|---|---|---|---|"]
    for name, titles in MEMORY.items():
        found = measured[name]
        speed = f"{round(found['rows_per_second'], -3):,}"
        lines.append(_row((titles[place], f"{found['small']} MiB", f"{found['large']} MiB", speed)))
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(measured: dict[str, dict[str, Any]]) -> None:
    """Draw how many times as fast as others the pipeline is."""
    from matplotlib.figure import Figure

    names = [name for name in RUNS if name in measured][::-1]
    ratios = [1 / measured[name]["ratio"] for name in names]
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="times as fast as the other (log scale)")
    bars = axes.barh(names, ratios, color=["#3b7dd8" if ratio >= 1 else "#b8b8b8" for ratio in ratios])
    axes.bar_label(bars, labels=[f"{ratio:.2f}" for ratio in ratios], padding=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.margins(x=0.15)
    axes.set_xticks([0.5, 1, 2, 4], labels=["½", "1", "2", "4"])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(CHART, dpi=110, metadata={"Software": None})


def main() -> None:
    """Write the tables into both pages, and the chart beside the file."""
    measured = json.loads(PATH.read_text())["measured"]
    for page in PAGES:
        path = PROJECT / page
        before, _, rest = path.read_text().partition(START)
        path.write_text(f"{before}{START}{make_tables(measured, page)}{END}{rest.partition(END)[2]}")
    draw(measured)


if __name__ == "__main__":
    main()
