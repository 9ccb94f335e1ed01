"""Run the pipeline: python main.py. See python main.py --help."""

from pipeline_runner.cli.command_line import main

if __name__ == "__main__":
    main()
