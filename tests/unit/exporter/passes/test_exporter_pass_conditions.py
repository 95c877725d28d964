"""What the passes refuse, by their names."""

import numpy as np
import pytest
import tiny_graph
from defended_graphs import (
    fitted,
    refused,
    statistic,
)

from clampdown_calib.badacts.insert_clips import InsertClips
from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.graphs.sites import LAYER, marked_layers
from clampdown_exporter.passes.badacts.second_pass import SecondPass
from clampdown_exporter.passes.insert_answer import InsertAnswer
from clampdown_exporter.passes.insert_statistic import InsertStatistic
from clampdown_exporter.passes.remove_defence import RemoveDefence


def bounds(layers, width):
    return Intervals(np.zeros((layers, width), np.float32), np.ones((layers, width), np.float32))


def test_passes_that_do_not_fit_name_themselves_and_what_they_found():
    clips = InsertClips(tiny_graph.intervals())
    refused((InsertClips(bounds(3, 6)),), "The pass InsertClips: .*2 layers are marked.* have 3")
    refused((InsertClips(bounds(2, 7)),), "The pass InsertClips: .*the intervals 7 neurons")
    refused((statistic(), statistic()), r"The pass InsertStatistic: .*'anomaly_score'")
    refused((clips, SecondPass()), r"The pass SecondPass: .*outputs are \['logits'\]")
    refused((statistic(), SecondPass()), "The pass SecondPass: .*no clips")
    for every_row in (False, True):
        answer = InsertAnswer(tiny_graph.answer(), every_row=every_row)
        refused((answer,), r"The pass InsertAnswer: .*outputs are \['logits'\]")
        refused((statistic("badacts"), answer), "The pass InsertAnswer: .*no probes")
    refused((RemoveDefence(),), "The pass RemoveDefence: .*no threshold")


def test_statistic_needs_marked_layers():
    model = tiny_graph.marked_graph()
    for value in marked_layers(model.graph):
        del value.metadata_props[LAYER]
    refused((statistic(),), "The pass InsertStatistic: .*no layer is marked", model)


@pytest.mark.parametrize("reader", ["last token", "token means"])
def test_what_tells_tokens_from_padding_needs_the_attention_mask(reader):
    model = tiny_graph.marked_graph()
    model.graph.inputs[1].name = "mask"
    needs = statistic()
    if reader == "last token":
        needs = InsertStatistic(fitted("badacts"), "last", 0.0)
    refused((needs,), "no input attention_mask", model)
