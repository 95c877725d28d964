"""Classify the rows of a Spark data frame; `mapInArrow` hands over record batches.

python examples/score_with_spark.py demo-out/bundle 'rows/*.parquet' scored

needs: pip install pyspark, 'clampdown[cpu,parquet]' on every machine, and the bundle at one path
"""

import sys
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession

from clampdown.integrations.arrow import classify_batches
from clampdown_runtime import DefendedClassifier, open_bundle

SCHEMA = "text string, label string, probability double, anomaly_score float, flagged boolean, error string"


def main() -> None:
    """Write a folder of Parquet files."""
    bundle, source, out = sys.argv[1:]
    digest = open_bundle(bundle).digest

    def classify(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Once for a partition; no executor loads another bundle.
        classifier = DefendedClassifier.load(bundle, threads=1, expected_digest=digest)
        return classify_batches(classifier, batches, columns=["text"])

    spark = SparkSession.builder.getOrCreate()
    spark.read.parquet(source).mapInArrow(classify, SCHEMA).write.parquet(out)


if __name__ == "__main__":
    main()
