"""The explorers of lesson 3: one row with other values, and the effect of a column."""

import numpy as np
import pandas as pd
import pytest

import coursekit as ck
from coursekit.visuals import explore
from coursekit.visuals.explore import tables
from tests.sentences import refuses
from tests.visuals.explorers.lesson_3 import model


def plain(learn, frame):
    return learn.data.real(learn.predict(learn.data.encode(frame)).scores)


def test_one_row_is_answered_as_the_model_answers_it():
    """Another row, a lost gap, or changes that are added up instead of made together."""
    learn, frame = model()
    for row in (0, 3, 5):  # 3 and 5 have a gap
        one = frame.iloc[[row]]
        found = tables.answers(learn, frame, row, {"Promo": 1, "Kind": "b"})
        variants = [{}, {"Promo": 1}, {"Kind": "b"}, {"Promo": 1, "Kind": "b"}]
        expected = [plain(learn, one.assign(**changes))[0] for changes in variants]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    gap = tables.answers(learn, frame, 0, {"Kind": tables.GAP})[-1]
    assert gap == pytest.approx(plain(learn, frame.head(1).assign(Kind=None))[0])


@pytest.mark.parametrize("kind", ["category", "string", "object"])
def test_words_of_every_type(kind):
    """A column type of pandas that loses its value between the row and the model."""
    learn, frame = model()
    typed = frame.assign(Kind=frame.Kind.astype(kind), Promo=frame.Promo.astype("Int64"))
    for row in (0, 3):
        found = tables.answers(learn, typed, row, {"Promo": 1})
        np.testing.assert_allclose(found, tables.answers(learn, frame, row, {"Promo": 1}))


def test_nothing_moved_is_nothing_changed():
    """A gap that a slider cannot show, and which becomes the median before anything is moved."""
    learn, frame = model()
    shown = explore.what_if(learn, frame, row=5)
    shown.redraw()
    assert "nothing is changed yet" in shown.sentence
    assert f"{plain(learn, frame.iloc[[5]])[0]:,.0f} as it was" in shown.sentence
    assert f"the truth is {frame.Sales[5]:,.0f}" in shown.sentence
    assert "truth" not in explore.what_if(learn, frame.drop(columns="Sales")).set(row=1).sentence


def test_a_browser_that_moves_a_value_to_its_step_changes_nothing():
    """A picture that says "4.97 (was 4.97)" before anybody has touched a slider."""
    learn, frame = model()
    shown = explore.what_if(learn, frame, columns=["Distance"])
    slider, was = shown.controls["Distance"], frame.Distance[0]
    shown.widget()
    factor = (slider.high / slider.low) ** (1 / 60)
    shown.widgets["Distance"].value = was * factor**0.49
    assert "nothing is changed yet" in shown.sentence
    shown.widgets["Distance"].value = was * factor**0.51
    assert "with Distance" in shown.sentence


def test_another_row_brings_its_own_values():
    """Sliders that keep the last row's values, which the next row is then said to have."""
    learn, frame = model()
    shown = explore.what_if(learn, frame, names=("Store",), columns=["Store", "Promo", "Rain"])
    shown.widget()
    shown.widgets["Rain"].value = 7 if frame.Rain[0] != 7 else 8
    shown.widgets["row"].value = 9
    assert shown.widgets["Rain"].value == frame.Rain[9]
    assert f"Store {frame.Store[9]}: " in shown.sentence
    assert "nothing is changed" in shown.sentence
    shown.set(Promo=not frame.Promo[9])
    assert f"with Promo {1 - frame.Promo[9]} (was {frame.Promo[9]})" in shown.sentence
    shown.back()
    assert "nothing is changed" in shown.sentence


def test_a_slider_reaches_what_the_model_was_trained_on():
    """One shop's own range, in which its rival can move nowhere."""
    learn, frame = model()
    slider = explore.what_if(learn, frame.iloc[[7]]).controls["Distance"]
    known = frame.iloc[learn.data.rows["train"]].Distance
    assert slider.low <= known.min() * 1.001
    assert slider.high >= known.max() * 0.999
    assert slider.log


def test_an_effect_is_the_mean_over_the_rows():
    """A curve of other rows, or of values that the column does not have."""
    learn, frame = model()
    few = frame.head(50)
    values = tables.spread_values(learn, few, "Kind")
    assert values == ["a", "b", "c", tables.GAP]
    found = tables.dependence(learn, few, "Kind", values)
    for value, predicted in zip(values, found, strict=True):
        other = None if value == tables.GAP else value
        np.testing.assert_allclose(predicted, plain(learn, few.assign(Kind=other)), rtol=1e-6)
    heat = tables.spread_values(learn, few, "Heat")
    assert len(heat) == 9
    assert few.Heat.min() <= heat[0] < heat[-1] <= few.Heat.max()
    assert tables.spread_values(learn, few, "Promo") == [0, 1]
    assert tables.spread_values(learn, few.assign(Kind="a"), "Kind") == values


def test_an_effect_is_worked_out_once(monkeypatch):
    """The net runs over all rows again for every move of the other control."""
    learn, frame = model()
    calls = []
    real = tables.dependence
    monkeypatch.setattr(tables, "dependence", lambda *given: calls.append(given) or real(*given))
    shown = explore.partial_dependence(learn, frame, columns=["Promo", "Kind", "Rain"])
    for by in ("Kind", "Promo", "nothing"):
        shown.set(by=by)
    assert len(calls) == 1


def test_groups_are_told_apart_by_what_the_rows_hold(capsys):
    """An effect that differs between kinds of shops, and lines that look the same."""
    frame = pd.DataFrame({"Kind": list("ab") * 200, "Promo": [0, 0, 1, 1] * 100})
    frame["Sales"] = 100 * np.exp(0.5 * frame.Promo * (frame.Kind == "b"))
    data = ck.table(frame, "Sales", valid=0.2, log_target=True, batch_size=32, continuous=["Promo"],
                    categories=["Kind"])  # fmt: skip
    ck.seed(0)
    learn = ck.table_learner(data, hidden_sizes=(16,))
    learn.fit(20, 0.02)
    said = explore.partial_dependence(learn, frame, column="Promo", by="Kind").set().sentence
    points = dict(part.split(" ")[1:3] for part in said.split(": ")[1].split(", "))
    assert float(points["a"]) < 8 < 30 < float(points["b"])


def test_a_wrong_column_is_named():
    """A traceback out of pandas for a typo."""
    learn, frame = model()
    with refuses("no column 'Promos'", "Did you mean 'Promo'?"):
        explore.what_if(learn, frame, columns=["Promos"])
    with refuses("no column 'Rains'"):
        explore.partial_dependence(learn, frame, columns=["Rains"])
    with refuses("column cannot be 'Rains'"):
        explore.partial_dependence(learn, frame, column="Rains")
