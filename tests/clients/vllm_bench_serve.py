"""`vllm bench serve`, by its own code: the `vllm` command does not start from vLLM's wheel for the CPU, whose name
differs.
"""

from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser

parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
