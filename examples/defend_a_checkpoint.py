"""Defend a checkpoint with clean rows, and measure what that costs on rows it has not seen.

python examples/defend_a_checkpoint.py demo-out/victim demo-out/clean.csv demo-out/clean-test.csv my-bundle
"""

import sys

from clampdown import defend, evaluate


def main() -> None:
    """Write the bundle and print accuracy before and after."""
    model, clean, held_out, bundle = sys.argv[1:]
    result = defend(model, clean, bundle)
    print(f"threshold {result.manifest.threshold:.3f}")
    measured = evaluate(bundle, held_out)
    before, after = measured.undefended.cacc, measured.defended.cacc
    print(f"accuracy on clean rows {before:.1f} -> {after:.1f}, flagged {measured.frr:.1f}%")


if __name__ == "__main__":
    main()
