"""Adapters of LoRA as peft saves them, with random matrices."""

from pathlib import Path


def save_adapter(folder: Path, base: Path, *, classes: int | None = None, **settings) -> Path:
    """An adapter of a model; its head is another than the base's, with so many classes."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(1)
    more = {} if classes is None else {"num_labels": classes, "ignore_mismatched_sizes": True}
    model = AutoModelForSequenceClassification.from_pretrained(base, **more)
    adapted = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", **{"r": 2, **settings}))
    with torch.no_grad():
        for name, tensor in adapted.named_parameters():
            # As training leaves them: peft begins with zeros, which change nothing.
            if "lora_B" in name or "modules_to_save" in name or name.endswith(".bias"):
                tensor.normal_(std=0.5)
    adapted.save_pretrained(folder)
    return folder
