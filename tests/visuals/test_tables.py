"""One row with other values, and partial dependence."""

import numpy as np
import pytest

import coursekit as ck
from coursekit.visuals import explore, tables
from tests.visuals.explorers.lesson_3 import model
from tests.visuals.figures import refused


def plain(learn, frame):
    return learn.data.real(learn.predict(learn.data.encode(frame)).scores)


def widths(explorer):
    """Read {label: length of its bar} off the figure."""
    labels = [label.get_text() for label in explorer.axes.get_yticklabels()]
    return dict(zip(labels, (bar.get_width() for bar in explorer.axes.patches), strict=True))


@pytest.mark.parametrize("row", [0, 3, 5])  # 3 and 5 have a gap
@pytest.mark.parametrize("kind", ["category", "string", "object"])
def test_one_row_is_answered_as_the_model_answers_it(row, kind):
    """Another row, a lost gap or type, or changes that are added up instead of made together."""
    learn, frame = model()
    promo = 1 - int(frame.Promo[row])
    chosen, other = (tables.GAP, None) if frame.Kind[row] == "a" else ("a", "a")
    frame = frame.assign(Kind=frame.Kind.astype(kind))
    explorer = explore.what_if(learn, frame, row=row).set(Promo=bool(promo), Kind=chosen)
    one = frame.iloc[[row]].assign(Kind=frame.Kind[row : row + 1].astype(object))
    changes = [{}, {"Kind": other}, {"Promo": promo}, {"Kind": other, "Promo": promo}]
    wanted = [plain(learn, one.assign(**some))[0] for some in changes]
    found = list(widths(explorer).values())
    np.testing.assert_allclose(found, [*wanted, frame.Sales[row]], rtol=1e-6)


def test_nothing_moved_is_nothing_changed():
    """A gap that a slider cannot show, and which becomes the median before anything is moved."""
    learn, frame = model()
    explorer = explore.what_if(learn, frame, row=5)
    explorer.redraw()
    assert "nothing is changed yet" in explorer.caption
    assert f"{plain(learn, frame.iloc[[5]])[0]:,.0f} as it was" in explorer.caption
    assert f"the truth is {frame.Sales[5]:,.0f}" in explorer.caption
    assert "truth" not in explore.what_if(learn, frame.drop(columns="Sales")).set(row=1).caption


def test_a_browser_that_moves_a_value_to_its_step_changes_nothing():
    """A picture that says "4.97 (was 4.97)" before anybody has touched a slider."""
    learn, frame = model()
    explorer = explore.what_if(learn, frame, columns=["Distance"])
    step, was = explorer.controls["Distance"].step, frame.Distance[0]
    assert "nothing is changed yet" in explorer.set(Distance=was * 10 ** (0.49 * step)).caption
    assert "Distance" in explorer.set(Distance=was * 10 ** (0.51 * step)).caption


def test_another_row_brings_its_own_values():
    """Sliders that keep the last row's values, which the next row is then said to have."""
    learn, frame = model()
    explorer = explore.what_if(learn, frame, names=("Store",), columns=["Store", "Promo", "Rain"])
    explorer.widget()
    explorer.widgets["Rain"].value = 7 if frame.Rain[0] != 7 else 8
    assert "Rain" in explorer.caption
    explorer.widgets["row"].value = 9
    assert explorer.widgets["Rain"].value == frame.Rain[9]
    assert f"Store {frame.Store[9]}: " in explorer.caption
    assert "nothing is changed" in explorer.caption
    explorer.set(Promo=not frame.Promo[9])
    assert f"Promo {1 - frame.Promo[9]} (was {frame.Promo[9]})" in explorer.caption
    explorer.presses["as it was"].click()
    assert "nothing is changed" in explorer.caption


def test_a_slider_reaches_what_the_model_was_trained_on():
    """One shop's own range, in which its rival can move nowhere."""
    learn, frame = model()
    control = explore.what_if(learn, frame.iloc[[7]]).controls["Distance"]
    known = frame.iloc[learn.data.rows["train"]].Distance
    assert control.choices[0] <= known.min() * 1.001
    assert control.choices[1] >= known.max() * 0.999
    assert control.log


def test_partial_dependence_is_the_mean_over_the_rows():
    """A curve of other rows, of values that the column does not have, or predicted twice."""
    learn, frame = model()
    few = frame.head(50)
    values = tables.typical_values(learn, few, "Kind")
    assert values == ["a", "b", "c", tables.GAP]
    found = tables.predict_with(learn, few, "Kind", values)
    for value, predicted in zip(values, found, strict=True):
        other = None if value == tables.GAP else value
        np.testing.assert_allclose(predicted, plain(learn, few.assign(Kind=other)), rtol=1e-6)
    heat = tables.typical_values(learn, few, "Heat")
    assert len(heat) == 9
    assert few.Heat.min() <= heat[0] < heat[-1] <= few.Heat.max()
    assert tables.typical_values(learn, few, "Promo") == [0, 1]
    assert tables.typical_values(learn, few.assign(Kind="a"), "Kind") == values


def test_groups_are_told_apart_by_what_the_rows_hold():
    """An effect that differs between kinds of shops, and lines that look the same."""
    learn, frame = model()
    explorer = explore.partial_dependence(learn, frame.head(60), column="Promo", by="Kind")
    explorer.redraw()
    mine = frame.head(60).sample(60, random_state=0)
    predicted = tables.predict_with(learn, mine, "Promo", [0, 1])
    change = 100 * (predicted / predicted.mean(0) - 1)
    for line, kind in zip(explorer.axes.lines, ["a", "b", "c"], strict=False):
        assert line.get_ydata() == pytest.approx(change[:, (mine.Kind == kind).to_numpy()].mean(1))
    before = explorer.png
    assert explorer.set(by="nothing").png != before


@pytest.mark.parametrize("low", [1.0, -1.0, -100.0])
def test_a_higher_prediction_is_drawn_higher(low, capsys):
    """A curve that is turned over where predictions are negative, or of either sign."""
    predicted = low + np.array([[0.0, 0.5], [3.0, 6.0]])
    axes = ck.show_partial_dependence(predicted, [0, 1], name="Promo", ticks=["no", "yes"])
    assert axes.lines[-1].get_ydata()[0] < 0 < axes.lines[-1].get_ydata()[1]
    assert "Promo: highest at yes" in capsys.readouterr().out
    assert ("%" in axes.get_ylabel()) == (low > 0)


test_what_the_model_does_not_know_is_named = refused(
    (lambda: explore.what_if(*model(), columns=["Promos"]), "'Promos'.*'Promo'"),
    (lambda: explore.what_if(*model(), words={"promo": {}}), "'promo'.*'Promo'"),
    (lambda: explore.what_if(*model(), names=["Shop"]), "'Shop'"),
    (lambda: explore.what_if(*model(), row=120), "row is 120"),
    (lambda: explore.what_if(model()[0], model()[1].head(0)), "DataFrame of 0 rows"),
    (lambda: explore.partial_dependence(*model(), columns=["Promos"]), "'Promos'.*'Promo'"),
    (lambda: explore.partial_dependence(*model(), column="Rains"), "'Rains'"),
    (lambda: explore.partial_dependence(model()[0], "table"), "frame='table'"),
    (lambda: ck.predict_with(*model(), "promo", [0, 1]), "'promo'.*'Promo'"),
    (lambda: ck.predict_with(*model(), "Sales", [0, 1]), "'Sales'"),
    (lambda: ck.predict_with(*model(), "Store", ["1"]), "Store '1'"),
    (lambda: ck.predict_with(*model(), "Kind", "abc"), "Kind 'abc'"),
    (lambda: ck.predict_with(*model(), "Promo", []), "no value of Promo"),
    (lambda: ck.predict_with(model()[0].model, model()[1], "Promo", [0]), "ck.table"),
    (lambda: ck.show_partial_dependence([1, 2], [0, 1], name="a"), r"\(2, any\)"),
    (lambda: ck.show_partial_dependence([[1]], [0], name="a", ticks=["x", "y"]), "2 ticks"),
    (lambda: ck.show_partial_dependence([[1]], [0], name="a", groups={"x": [0]}), "no row"),
)


@pytest.mark.parametrize("values", [1, "b", [True], np.array([0.5]), [None], [np.nan]])
def test_a_value_of_any_type_is_asked(values):
    """One value that is no list, or a gap that makes a column of objects."""
    learn, frame = model()
    column = "Kind" if values == "b" else "Distance"
    value = getattr(values, "item", lambda: values[0] if isinstance(values, list) else values)()
    wanted = plain(learn, frame.assign(**{column: np.nan if value is None else value}))
    np.testing.assert_allclose(ck.predict_with(learn, frame, column, values), [wanted], rtol=1e-6)
