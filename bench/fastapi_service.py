"""The peer: FastAPI and Redis serving the same answers, as a good Python service would: asynchronous, one
HMGET per entity, batches pipelined, numbers cast back, uvloop, httptools and hiredis where uvicorn and
redis find them. Run: uvicorn fastapi_service:app, with REDIS_URL."""

import os
from contextlib import asynccontextmanager

import redis.asyncio
from fastapi import FastAPI
from pydantic import BaseModel, Field


@asynccontextmanager
async def lifespan(app):
    app.state.redis = redis.asyncio.from_url(os.environ["REDIS_URL"], decode_responses=True)
    yield
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)


class Batch(BaseModel):
    entity_ids: list[str] = Field(max_length=10000)
    feature_names: list[str]


def key(entity_id):
    return f"user:{entity_id}:features"


def number(text):
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def answer(entity_id, names, texts):
    return {"entity_id": entity_id, "features": dict(zip(names, map(number, texts)))}


@app.get("/features/online/{entity_id}")
async def online(entity_id: str, feature_names: str):
    names = feature_names.split(",")
    return answer(entity_id, names, await app.state.redis.hmget(key(entity_id), names))


@app.post("/features/online")
async def online_batch(batch: Batch):
    async with app.state.redis.pipeline(transaction=False) as pipeline:
        for entity_id in batch.entity_ids:
            pipeline.hmget(key(entity_id), batch.feature_names)
        rows = await pipeline.execute()
    return [answer(entity_id, batch.feature_names, texts)
            for entity_id, texts in zip(batch.entity_ids, rows)]
