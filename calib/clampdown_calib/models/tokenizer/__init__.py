"""The tokenizer beside a model: how texts become its inputs."""
