"""Answer requests over HTTP with FastAPI.

CLAMPDOWN_BUNDLE=demo-out/bundle uvicorn --app-dir examples serve_with_fastapi:app

It takes texts or, of a bundle of pairs, `["first text", "second text"]` in the place of each; of a
model of many labels an answer has `labels`, which is null of any other. Prometheus reads what was
counted at /metrics/, for which the bundle has to keep its clean scores, as those of this release do.

needs: pip install 'clampdown[cpu,prometheus]' fastapi uvicorn
"""

import dataclasses
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from prometheus_client import CollectorRegistry, make_asgi_app
from pydantic import BaseModel, Field

from clampdown.integrations.prometheus import MonitorCollector
from clampdown_runtime import DefendedClassifier, RowsError
from clampdown_runtime.monitor import Monitor


class Texts(BaseModel):
    """What is asked; few at a time, since a request waits for all of them."""

    texts: list[str | tuple[str, str]] = Field(min_length=1, max_length=64)
    threshold: float | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the bundle before the first request; CLAMPDOWN_DIGEST refuses any other one."""
    classify = DefendedClassifier.load(
        os.environ["CLAMPDOWN_BUNDLE"], expected_digest=os.environ.get("CLAMPDOWN_DIGEST")
    )
    monitor = Monitor(classify.bundle)
    app.state.classify = classify.monitored_by(monitor)
    collector = MonitorCollector(monitor)
    metrics.register(collector)
    yield
    metrics.unregister(collector)


metrics = CollectorRegistry()
app = FastAPI(lifespan=lifespan)
app.mount("/metrics", make_asgi_app(metrics))


@app.get("/health")
def health() -> dict[str, str]:
    """Say which bundle answers."""
    return {"bundle": app.state.classify.bundle.digest}


# Not async: FastAPI runs it in a thread, and calls from several threads are safe.
@app.post("/predict")
def predict(asked: Texts) -> list[dict[str, object]]:
    """Classify texts."""
    try:
        predictions = app.state.classify(asked.texts, threshold=asked.threshold)
    except RowsError as error:
        raise HTTPException(422, str(error)) from error
    return [dataclasses.asdict(prediction) for prediction in predictions]
