from __future__ import annotations

import pytest

from pipeline_runner.cli.arguments import parse_arguments

TASK = "gokart_pipeline_sample.RunTask"
OPTIONS = (
    "--plan",
    "--mermaid",
    "--history",
    "--fetch",
    "--serve-s3",
    "--champion",
    "--clean",
    "--new-table",
    "--help",
)
NEW_TABLE = ("--new-table", "t.csv", "--id=a", "--name", "t")


class TestParseArguments:
    def test_leaves_the_arguments_of_luigi_as_they_are(self) -> None:
        arguments = [TASK, "--local-scheduler", "--require-acc", "0.95", "--workers=2", "-x"]
        options, others = parse_arguments(arguments)
        assert others == arguments
        assert not any(vars(options).values())
        assert options.champion is options.fetch is None

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_takes_our_own_options_anywhere(self, place: int) -> None:
        arguments = [TASK, "--local-scheduler"]
        arguments[place:place] = ["--plan", "--mermaid"]
        options, others = parse_arguments(arguments)
        assert (options.plan, options.mermaid) == (True, True)
        assert others == [TASK, "--local-scheduler"]

    def test_takes_no_abbreviations(self) -> None:
        assert parse_arguments(["--pla"])[1] == ["--pla"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--history", "--foo"], "unrecognized arguments: --foo"),
            (["--serve-s3", TASK], f"unrecognized arguments: {TASK}"),
            (["--history", "--serve-s3"], "argument --serve-s3: not allowed with argument --history"),
            (["--plan", "--history"], "argument --history: not allowed with argument --plan"),
            (["--champion", "abc", TASK], f"unrecognized arguments: {TASK}"),
            (["--fetch", "abc", TASK], f"unrecognized arguments: {TASK}"),
            (["--fetch", "--clean"], "argument --clean: not allowed with argument --fetch"),
            (["--champion", "--clean"], "argument --clean: not allowed with argument --champion"),
            (["--clean", TASK], f"unrecognized arguments: {TASK}"),
            (["--clean", "--keep", "0"], "argument --keep: at least 1; argument --min-age: at least 0"),
            (["--clean", "--min-age", "-1"], "argument --keep: at least 1; argument --min-age: at least 0"),
            (["--clean", "--kee", "3"], "unrecognized arguments: --kee 3"),
            *(
                ([*NEW_TABLE, "--target", "b", *again], f"argument {name}: given more than once, and only one counts")
                for name in ("--target", "--id", "--name")
                for again in ([name, "c"], [f"{name}=b"])
            ),
            *(
                ([*NEW_TABLE, "--target", "b", "--group", name], "argument --group: give another column than --id and")
                for name in ("a", "b")
            ),
            (["--mermaid"], "argument --mermaid: not allowed without argument --plan"),
            *(
                ([f"--{option}=1"], f"argument --{option}: it would have no effect here, or a wrong one: {reason}")
                for option, reason in {
                    "delete-unnecessary-output-files": "it deletes what other tasks need: use --clean",
                    "execution-summary-summary-length": "summary and exit codes are not luigi's",
                    "log-level": "set levels in conf/logging.ini",
                    "parallel-scheduling": "one process plans all tasks",
                    "retcode-task-failed": "summary and exit codes are not luigi's",
                    "worker-timeout": "use --gokart-worker-…",
                    "TrainTask-workspace-directory": "use --workspace-directory, for all tasks",
                }.items()
            ),
            *(
                (
                    [f"--{option}=1"],
                    f"argument --{option}: it would have no effect here, or a wrong one: "
                    "set it in [TaskOnKart] for all tasks, or for one by name (--TASK-…)",
                )
                for option in (
                    *("TaskOnKart-rerun", "strict-check", "redis-host"),
                    *("modification-time-check", "should-lock-run", "fix-random-seed-value", "fail-on-empty-dump"),
                    *("cache-unique-id", "complete-check-at-run", "serialized-task-definition-check"),
                    *("store-index-in-feather", "should-dump-supplementary-log-files", "local-temporary-directory"),
                )
            ),
        ],
    )
    def test_refuses_options_that_contradict_each_other(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            parse_arguments(arguments)
        assert caught.value.code == 2
        assert f"error: {message}" in capsys.readouterr().err.splitlines()[-1]

    @pytest.mark.parametrize("option", ["--history", "--clean", "--champion", "--fetch", "--serve-s3", "--plan"])
    def test_takes_a_workspace_for_all(self, option: str) -> None:
        options, others = parse_arguments([option, "--workspace-directory", "x"])
        assert (options.workspace_directory, others) == ("x", [])

    @pytest.mark.parametrize(("arguments", "champion"), [(["--champion"], ""), (["--champion", "0a1b"], "0a1b")])
    def test_shows_the_champions_or_goes_back_to_one(self, arguments: list[str], champion: str) -> None:
        options, others = parse_arguments(arguments)
        assert (options.champion, others) == (champion, [])

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--clean"], (30, 24.0, False)),
            (["--clean", "--keep", "5", "--min-age=0.5", "--yes"], (5, 0.5, True)),
            (["--keep=1", "--clean", "--min-age", "0"], (1, 0.0, False)),
        ],
    )
    def test_takes_the_limits_of_a_clean_up(self, arguments: list[str], expected: tuple[int, float, bool]) -> None:
        options, others = parse_arguments(arguments)
        assert (options.keep, options.min_age, options.yes) == expected
        assert others == []

    def test_leaves_options_of_a_clean_up_to_the_task_without_it(self) -> None:
        assert parse_arguments([TASK, "--keep", "5", "--yes"])[1] == [TASK, "--keep", "5", "--yes"]

    @pytest.mark.parametrize(("arguments", "key"), [(["--fetch"], ""), (["--fetch", "a/b.csv"], "a/b.csv")])
    def test_fetches_what_was_published_last_or_an_object(self, arguments: list[str], key: str) -> None:
        options, others = parse_arguments(arguments)
        assert (options.fetch, others) == (key, [])

    @pytest.mark.parametrize("arguments", [["--help"], ["-h"], [TASK, "--help"]])
    def test_help_waits_for_the_options_of_the_task(self, arguments: list[str]) -> None:
        options, others = parse_arguments(arguments)
        assert options.help
        assert others == arguments[:-1]

    def test_all_help_names_our_own_options_and_goes_on_to_luigi(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert parse_arguments(["--help-all"])[1] == ["--help-all"]
        shown = capsys.readouterr().out
        assert all(option in shown for option in OPTIONS)

    @pytest.mark.parametrize("option", ["--history", "--fetch", "--champion"])
    def test_help_on_an_option_that_runs_no_task_ends_there(self, option: str) -> None:
        with pytest.raises(SystemExit) as caught:
            parse_arguments([option, "--help"])
        assert caught.value.code == 0
