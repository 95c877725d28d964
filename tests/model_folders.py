"""A model's folder as far as it can be told without loading anything."""

import json

CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"0": "negative", "1": "positive"},
}


def configure(path, **changes):
    config = {k: v for k, v in {**CONFIG, **changes}.items() if v is not ...}
    (path / "config.json").write_text(json.dumps(config))


def write_index(folder, *parts, name="model.safetensors.index.json"):
    """Puts an index of parts in the place of the whole weights."""
    (folder / "model.safetensors").unlink(missing_ok=True)
    places = {f"weight {number}": part for number, part in enumerate(parts)}
    (folder / name).write_text(json.dumps({"metadata": {}, "weight_map": places}))
