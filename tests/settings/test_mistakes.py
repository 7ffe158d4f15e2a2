"""Rules for all mistakes: each is reported, once, and no content of a file raises."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.settings.mistakes import CONTRACT, DESTINATION, FILES, ORCHESTRATION, TEMPLATE, write_tree

from persado.settings import load


def test_the_configuration_without_mistakes_is_valid(tmp_path: Path) -> None:
    configuration = load(write_tree(tmp_path))

    assert configuration.errors == ()
    assert list(configuration.deliveries) == ["neighbour", "weekly_segment"]


def test_a_mistake_that_stops_several_orchestrations_is_reported_once(tmp_path: Path) -> None:
    changes = {
        DESTINATION: FILES[DESTINATION].replace("special_characters", "none"),
        "orchestrations/another.yaml": FILES[ORCHESTRATION],
    }

    configuration = load(write_tree(tmp_path, changes))

    (error,) = configuration.errors
    assert str(error).startswith(f"{DESTINATION}:6: settings.quote_mode: ")
    assert str(error).endswith(" (It stops another, weekly_segment.)")


def test_every_mistake_is_reported(tmp_path: Path) -> None:
    changes = {
        DESTINATION: "conection: x\nsettings: {header: 1, zip64: 2}\n",
        TEMPLATE: "destination: nowhere\n",
        ORCHESTRATION: "query: a.txt\nsource: [x]\ndata_template: segment\n",
        "orchestrations/another.yaml": "tabs:\n\t- x",
        "orchestrations/third.yaml": FILES[ORCHESTRATION],
    }

    configuration = load(write_tree(tmp_path, changes))

    assert [str(error).split(": ")[0] for error in configuration.errors] == [
        f"{DESTINATION}:1",
        f"{DESTINATION}:2",
        f"{DESTINATION}:2",
        f"{TEMPLATE}:1",
        "orchestrations/another.yaml:2",
        f"{ORCHESTRATION}:1",
        f"{ORCHESTRATION}:2",
    ]
    assert list(configuration.deliveries) == ["neighbour"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("tree"))


KEYS = sorted({key for text in FILES.values() for key in re.findall(r"\w+(?=:)", text)})
YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text() | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=5),
)


@st.composite
def mangled(draw: st.DrawFn, text: str) -> str:
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return (
        text[:start] + draw(st.text(alphabet="\t\n '\"\\:#[]{}&*!|>%@`-?,~<=.0a\x00é\u2028", max_size=5)) + text[end:]
    )


@settings(deadline=None)
@given(data=st.data(), file=st.sampled_from([DESTINATION, TEMPLATE, CONTRACT, ORCHESTRATION, "queries/segment.sql"]))
def test_no_content_of_a_file_raises(tree: Path, data: st.DataObject, file: str) -> None:
    content = data.draw(
        st.binary()
        | st.text().map(str.encode)
        | mangled(FILES[file]).map(str.encode)
        | YAML_VALUES.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode())
    )
    try:
        (tree / file).write_bytes(content)
        configuration = load(tree)
    finally:
        (tree / file).write_text(FILES[file])

    assert "neighbour" in configuration.deliveries
    assert bool(configuration.errors) == ("weekly_segment" not in configuration.deliveries)
    assert all(str(error).isprintable() for error in configuration.errors)
