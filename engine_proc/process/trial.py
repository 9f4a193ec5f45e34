"""Do all of a load that needs no weights: `python -m engine_proc.process.trial` with vLLM's command line.

`doctor` runs this. The last line of the standard output says what is wrong; the exit status is that of a load.
"""

import os
import sys

from engine_proc.adapter.loading.environment import set_vllm_environment
from engine_proc.adapter.loading.set_up import SetUpError, sentence
from engine_proc.exit_status import EXIT_LOAD_FAILED, EXIT_USAGE
from engine_proc.settings import read_settings_or_exit


def main(argv: list[str]) -> int:
    """Check the set-up that vLLM's command line `argv` describes. Returns 0 where nothing is wrong."""
    set_vllm_environment(read_settings_or_exit().run_dir)
    try:
        from engine_proc.adapter.loading import model

        model.configure(model.parse_args(argv))
    except SetUpError as error:
        sys.stdout.write(f"{error}\n")
        return EXIT_USAGE
    except Exception as error:  # a hub that cannot be reached, or a vLLM that cannot be imported
        sys.stdout.write(f"{sentence(error)}\n")
        return EXIT_LOAD_FAILED
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # without waiting for threads of vLLM
