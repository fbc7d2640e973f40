"""The first replaced service's side of its table `features`: made, filled and changed by SQLModel."""

import datetime

import sqlalchemy
from sqlalchemy.orm import registry
from sqlmodel import JSON, Column, DateTime, Field, Session, SQLModel, create_engine, select

CREATED_AT = datetime.datetime(2025, 1, 2, 3, 4, 5, 6, datetime.timezone.utc)


def model(has_zone):
    """Its class of the table; older SQLModels keep times without a zone, in UTC."""
    time = DateTime(timezone=has_zone)
    made_at = CREATED_AT if has_zone else CREATED_AT.replace(tzinfo=None)

    class Base(SQLModel, registry=registry()):
        """Apart from those of other calls."""

    class Feature(Base, table=True):
        __tablename__ = "features"

        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(index=True, unique=True)
        description: str | None = None
        data_type: str
        entity: str = Field(index=True)
        feature_group: str | None = Field(default=None, index=True)
        is_nullable: bool = True
        source: str | None = None
        transformation: str | None = None
        min_value: float | None = None
        max_value: float | None = None
        mean_value: float | None = None
        std_dev: float | None = None
        ttl_seconds: int | None = None
        tags: dict | None = Field(default=None, sa_column=Column(JSON))
        created_at: datetime.datetime = Field(default=made_at, sa_type=time)
        updated_at: datetime.datetime | None = Field(default=None, sa_type=time)

    return Feature


class OtherService:
    def __init__(self, url, has_zone=False):
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        self.model = model(has_zone)
        self.model.metadata.create_all(self.engine)

    def add(self, name, data_type="int", entity="user", **columns):
        """The id that it got."""
        feature = self.model(name=name, data_type=data_type, entity=entity, **columns)
        with Session(self.engine) as session:
            session.add(feature)
            session.commit()
            return feature.id

    def get(self, name):
        with Session(self.engine) as session:
            return session.exec(select(self.model).where(self.model.name == name)).one()

    def change(self, name, then="SELECT 1", **columns):
        """What `then` gives in the same transaction."""
        with Session(self.engine) as session:
            feature = session.exec(select(self.model).where(self.model.name == name)).one()
            feature.sqlmodel_update(columns)
            session.add(feature)
            session.flush()
            result = session.execute(sqlalchemy.text(then)).scalar_one()
            session.commit()
            return result

    def delete(self, name):
        with Session(self.engine) as session:
            session.delete(session.exec(select(self.model).where(self.model.name == name)).one())
            session.commit()

    def names(self):
        with Session(self.engine) as session:
            return list(session.exec(select(self.model.name).order_by(self.model.id)))

    def close(self):
        self.engine.dispose()
