from clampdown_runtime.batching import plan_batches


def test_similar_lengths_share_a_batch_and_every_row_is_in_one():
    lengths = [9, 1, 8, 2, 7]
    assert plan_batches(lengths, 2) == [[1, 3], [4, 2], [0]]


def test_no_rows_need_no_batch():
    assert plan_batches([], 4) == []
