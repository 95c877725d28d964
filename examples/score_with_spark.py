"""Classify the rows of a Spark data frame; `mapInArrow` hands over record batches.

python examples/score_with_spark.py demo-out/bundle 'rows/*.parquet' scored

It reads the column `text`, of a bundle of pairs `text_pair`, too; the results are those of
`clampdown score`, with `labels` where the bundle gives any number of them.

needs: pip install pyspark, 'clampdown[cpu,parquet]' on every machine, and the bundle at one path
"""

import sys
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from clampdown.integrations.arrow import classify_batches, scored_schema, text_columns
from clampdown_runtime import DefendedClassifier, open_bundle


def main() -> None:
    """Write a folder of Parquet files."""
    bundle, source, out = sys.argv[1:]
    opened = open_bundle(bundle)
    digest, texts = opened.digest, text_columns(opened.manifest)
    schema = scored_schema(pa.schema([(name, pa.string()) for name in texts]), opened.manifest)

    def classify(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Once for a partition; no executor loads another bundle.
        classifier = DefendedClassifier.load(bundle, threads=1, expected_digest=digest)
        return classify_batches(classifier, batches, columns=texts)

    spark = SparkSession.builder.getOrCreate()
    rows = spark.read.parquet(source).mapInArrow(classify, from_arrow_schema(schema))
    rows.write.parquet(out)


if __name__ == "__main__":
    main()
