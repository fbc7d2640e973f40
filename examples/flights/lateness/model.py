"""The model: split by time, trained on vectors as of the instants at which they would have been asked
for, judged once on a month that nothing was chosen on."""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

VALIDATION_MONTHS = (10, 11)
TEST_MONTH = 12
MOST_TREES = 160
TREE_STEP = 10
SCHEDULE = ["hour", "weekday", "distance", "carrier", "origin"]
CATEGORIES = ["carrier", "origin"]


def schedule(flights):
    """What the schedule itself says of each flight, as numbers; of `CATEGORIES` the place among all."""
    return np.column_stack([
        flights[name].astype("category").cat.codes if name in CATEGORIES else flights[name]
        for name in SCHEDULE]).astype(float)


def classifier(trees, columns):
    categorical = [columns.index(name) for name in CATEGORIES]
    return HistGradientBoostingClassifier(max_iter=trees, learning_rate=0.1, early_stopping=False,
                                          categorical_features=categorical, random_state=0)


def trained(inputs, late, month, columns):
    """Fitted to everything before the test month; the number of trees is what did best on the
    validation months when fitted to those before them."""
    known = ~np.isnan(late)
    before = known & (month < min(VALIDATION_MONTHS))
    validation = known & np.isin(month, VALIDATION_MONTHS)
    trial = classifier(MOST_TREES, columns).fit(inputs[before], late[before])
    losses = [log_loss(late[validation], chances) if trees % TREE_STEP == 0 else np.inf
              for trees, chances in enumerate(trial.staged_predict_proba(inputs[validation]), 1)]
    trees = int(np.argmin(losses)) + 1
    whole = known & (month < TEST_MONTH)
    return classifier(trees, columns).fit(inputs[whole], late[whole])


def chances(model, inputs):
    return model.predict_proba(inputs)[:, 1]


def usual_share(flights):
    """The baseline: how often flights of this carrier, origin and hour were late before the test month;
    few flights count with those of the whole year (as 20 of them)."""
    before = flights[flights["late"].notna() & (flights["month"] < TEST_MONTH)]
    keys = ["carrier", "origin", "clock"]
    overall = before["late"].mean()
    groups = before.assign(clock=before["hour"] // 1).groupby(keys)["late"]
    share = ((groups.sum() + 20 * overall) / (groups.count() + 20)).rename("share").reset_index()
    joined = flights.assign(clock=flights["hour"] // 1).merge(share, on=keys, how="left")
    return joined["share"].fillna(overall).to_numpy()


def scores(late, chance):
    """How well chances told which flights were late; those that did not arrive count nowhere."""
    known = ~np.isnan(late)
    late, chance = late[known], chance[known]
    warned = pd.Series(chance).rank(method="first", ascending=False) <= len(chance) / 10
    return {"auc": roc_auc_score(late, chance), "log_loss": log_loss(late, chance),
            "late_of_warned": late[warned].mean()}
