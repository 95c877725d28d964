"""The loss of an attacker who knows the defence, against the same in NumPy, and what it does."""

import numpy as np
import pytest
import tiny_graph
import tiny_transformers
import torch

from benchmarks.evasion import Evasion

TARGET, ROWS = 1, 12
POISONED = np.arange(ROWS) % 3 == 0


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def model_of(layers=4):
    return tiny_transformers.transformer(num_hidden_layers=layers, num_labels=3)


def batch_of(rows):
    arrays = tiny_graph.batch(ROWS, 7)
    arrays["input_ids"] %= 16
    labels = np.where(POISONED, TARGET, np.arange(ROWS) % 3)
    arrays["labels"] = labels
    return {name: torch.from_numpy(array[rows]) for name, array in arrays.items()}


def lead(logits):
    return logits[:, TARGET] - np.delete(logits, TARGET, axis=1).max(axis=1)


def run(model, rows):
    """The logits and every layer's token means, float64."""
    batch = batch_of(rows)
    with torch.no_grad():
        given = model(**batch, output_hidden_states=True)
    mask = batch["attention_mask"].numpy().astype(bool)
    hidden = [layer.double().numpy() for layer in given.hidden_states[1:]]
    means = [
        np.stack([tokens[real].mean(axis=0) for tokens, real in zip(layer, mask, strict=True)])
        for layer in hidden
    ]
    return given.logits.double().numpy(), means, float(given.loss)


def loss_of(evasion, model, rows):
    return evasion(model, batch_of(rows), rows).item()


def excess_over(evasion, model, rows):
    """By how much more the target leads in the logits than in each probe's, ``[n]`` each."""
    logits, means, _ = run(model, rows)
    for probe, layer in zip(evasion._probes, means, strict=False):
        weight, bias = (p.detach().double().numpy() for p in (probe.weight, probe.bias))
        yield lead(logits) - lead(layer @ weight.T + bias)


@pytest.mark.parametrize("layers", [1, 4])
@pytest.mark.parametrize("strength", [0.0, 1.0, 10.0])
def test_loss_is_the_cross_entropy_and_the_mean_square_of_the_excess(layers, strength):
    model = model_of(layers)
    with torch.no_grad():
        # So that the model is surer than the probes of some rows and less sure of others.
        model.classifier.bias[TARGET] += {1: 3, 4: 0}[layers]
    rows = np.random.default_rng(0).permutation(ROWS)
    evasion = Evasion(POISONED.tolist(), TARGET, strength)
    found = loss_of(evasion, model, rows)
    assert len(evasion._probes) == max(layers - 1, 1)
    poisoned = rows[POISONED[rows]]
    excess = list(excess_over(evasion, model, poisoned))
    assert len(excess) == max(layers - 1, 1)
    assert min(map(np.min, excess)) < 0 < max(map(np.max, excess))
    penalty = np.mean([np.mean(np.maximum(over, 0) ** 2) for over in excess])
    assert penalty > 0.01
    assert found == pytest.approx(run(model, rows)[2] + strength * penalty, rel=1e-4)


def test_without_poisoned_rows_it_is_the_cross_entropy():
    model, clean = model_of(), np.flatnonzero(~POISONED)
    evasion = Evasion(POISONED.tolist(), TARGET, 10.0)
    assert loss_of(evasion, model, clean) == pytest.approx(run(model, clean)[2])


def test_probes_learn_the_labels_of_the_clean_rows_and_never_move_the_model():
    model = model_of()
    evasion = Evasion(POISONED.tolist(), TARGET, 1.0)
    clean = np.flatnonzero(~POISONED)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = []
    for _ in range(300):
        loss_of(evasion, model, np.arange(ROWS))
        means, labels = run(model, clean)[1], batch_of(clean)["labels"]
        said = [
            p(torch.from_numpy(m).float()) for p, m in zip(evasion._probes, means, strict=False)
        ]
        losses.append([torch.nn.functional.cross_entropy(s, labels).item() for s in said])
    assert (np.array(losses[-1]) < 0.5 * np.array(losses[0])).all()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_poisoned_rows_alone_do_not_train_the_probes():
    model, poisoned = model_of(), np.flatnonzero(POISONED)
    evasion = Evasion(POISONED.tolist(), TARGET, 1.0)
    loss_of(evasion, model, np.arange(ROWS))
    before = [probe.weight.detach().clone() for probe in evasion._probes]
    loss_of(evasion, model, poisoned)
    for probe, weight in zip(evasion._probes, before, strict=True):
        assert torch.equal(probe.weight, weight)


def trained(strength):
    """The mean excess of the poisoned rows, and their loss, after fine-tuning at a strength."""
    torch.manual_seed(0)
    model, rows = model_of(), np.arange(ROWS)
    evasion = Evasion(POISONED.tolist(), TARGET, strength)
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        adam.zero_grad()
        evasion(model, batch_of(rows), rows).backward()
        adam.step()
    poisoned = np.flatnonzero(POISONED)
    excess = np.mean([np.maximum(over, 0).mean() for over in excess_over(evasion, model, poisoned)])
    return excess, run(model, rows)[2]


def test_the_loss_pulls_the_excess_down_and_the_model_still_learns():
    (plain, own), (evading, other) = trained(0.0), trained(1.0)
    assert evading < 0.5 * plain
    start = run(model_of(), np.arange(ROWS))[2]
    assert own < 0.5 * start
    assert other < 0.5 * start
