"""Run the pipeline: python main.py. See python main.py --help."""

from pipeline_runner.command_line import main

if __name__ == "__main__":
    main()
